"""GET /healthz: 200 while the process lives and its event loop runs. Nothing else is checked."""

from aiohttp import web


def health_routes() -> list[web.RouteDef]:
    # While the database is away the server must not be restarted: its learners' streams go on.
    return [web.get("/healthz", _alive)]


async def _alive(_request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})

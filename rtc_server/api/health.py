"""GET /healthz: the process lives and its event loop turns. Nothing else is asked of it."""

from aiohttp import web


def health_routes() -> list[web.RouteDef]:
    # A database that is away must not have the server restarted: its learners' streams go on.
    return [web.get("/healthz", _alive)]


async def _alive(_request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})

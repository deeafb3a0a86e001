"""GET /healthz: the process lives and its event loop turns; and whether the spool can be written."""

from collections.abc import Callable

from aiohttp import web


def health_routes(spool_fails: Callable[[], bool]) -> list[web.RouteDef]:
    """`spool_fails`: what the database does not take now would be lost with the server."""

    # Always 200: a database or a disk that is away must not have the server restarted, as its learners' streams go on.
    async def alive(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "spool": "cannot be written" if spool_fails() else "ok"})

    return [web.get("/healthz", alive)]

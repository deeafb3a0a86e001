"""GET /healthz: whether the process lives. GET /readyz: whether it takes new learners."""

from collections.abc import Callable

from aiohttp import web


def health_routes(spool_fails: Callable[[], bool], not_ready: Callable[[], str | None]) -> list[web.RouteDef]:
    """spool_fails: what the database does not take now would be lost with the server.

    not_ready: why it takes no new learners, in a few words; None while it does.
    """

    # Always 200: the server must not be restarted because a database or a disk fails. Its learners' streams go on.
    async def alive(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "spool": "cannot be written" if spool_fails() else "ok"})

    async def ready(_request: web.Request) -> web.Response:
        reason = not_ready()
        return web.json_response({"status": reason or "ok"}, status=503 if reason else 200)

    return [web.get("/healthz", alive), web.get("/readyz", ready)]

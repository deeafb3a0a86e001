"""GET /metrics: counts for Prometheus, on a port of their own, which only the operator's network reaches."""

from collections.abc import Callable

from aiohttp import web


def metrics_routes(text: Callable[[], bytes], content_type: str) -> list[web.RouteDef]:
    async def read(_request: web.Request) -> web.Response:
        return web.Response(body=text(), headers={"Content-Type": content_type})

    return [web.get("/metrics", read)]

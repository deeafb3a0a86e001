"""Headers that keep a browser from doing with an answer what it was not meant for."""

from aiohttp import web
from aiohttp.typedefs import Handler

_EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Server": "rtc-server",
}


@web.middleware
async def response_headers_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The strictest value of each header, where a handler has not said its own."""
    response = await handler(request)
    if not response.prepared:
        for name, value in _EVERYWHERE.items():
            response.headers.setdefault(name, value)
    return response

"""Security headers of every response."""

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
_OVER_TLS = {"Strict-Transport-Security": "max-age=31536000"}
"""A year. Where a proxy speaks TLS for this server, the proxy says it."""


@web.middleware
async def response_headers_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The strictest value of each header, where the handler has not set its own."""
    response = await handler(request)
    if not response.prepared:
        for name, value in (_EVERYWHERE | (_OVER_TLS if request.secure else {})).items():
            response.headers.setdefault(name, value)
    return response

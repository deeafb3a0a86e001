"""Security headers of every response."""

from functools import partial

from aiohttp import web
from aiohttp.typedefs import Handler

from rtc_server.web.server.streams import before_sending

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
"""A year. If a proxy terminates TLS, the proxy sends this header."""


@web.middleware
async def response_headers_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Sets the strictest value of each header that the handler has not set itself."""
    before_sending(request, partial(_set, request))
    response = await handler(request)
    _set(request, response)
    return response


def _set(request: web.Request, response: web.StreamResponse) -> None:
    if not response.prepared:
        for name, value in (_EVERYWHERE | (_OVER_TLS if request.secure else {})).items():
            response.headers.setdefault(name, value)

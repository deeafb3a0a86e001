"""Lets pages of other origins call this server (Fetch standard, CORS). By default none may."""

from collections.abc import Sequence
from functools import partial
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from rtc_server.errors import SettingsError
from rtc_server.web.server.streams import before_sending

EXPOSED_HEADERS = "Location, ETag, Link, Retry-After"
ALLOWED_HEADERS = "Authorization, Content-Type, If-Match, If-None-Match"
PREFLIGHT_MAX_AGE_S = 600


def cors_middleware(origins: Sequence[str]) -> Middleware:
    """Lets pages of these origins read the answers. Raises SettingsError if one is not an origin.

    Tokens are sent in a header, never in a cookie, so credentials are not allowed.
    """
    for origin in origins:
        if not _is_origin(origin):
            raise SettingsError(
                f"RTC_CORS_ORIGINS: {origin!r} is not an origin such as https://host or https://host:8443."
            )
    allowed = frozenset(origins)

    def allow(request: web.Request, response: web.StreamResponse) -> None:
        if not allowed or response.prepared:
            return
        response.headers.add("Vary", "Origin")
        origin = request.headers.get("Origin", "")
        if origin not in allowed:
            return
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            response.headers["Access-Control-Allow-Methods"] = response.headers.get("Allow", "")
            response.headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
            response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_MAX_AGE_S)

    @web.middleware
    async def cors(request: web.Request, handler: Handler) -> web.StreamResponse:
        before_sending(request, partial(allow, request))
        response = await handler(request)
        allow(request, response)
        return response

    return cors


def _is_origin(text: str) -> bool:
    """Whether it is written as a browser does: lower case, no path, no slash at the end."""
    try:
        parts = urlsplit(text)
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and parts.port != {"http": 80, "https": 443}[parts.scheme]
            and text == f"{parts.scheme}://{parts.netloc}".lower()
            and "@" not in parts.netloc
        )
    except ValueError:
        return False

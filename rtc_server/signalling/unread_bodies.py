"""What becomes of a body that no handler wanted: the rest of a short one is let in, a long one ends the connection."""

from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware


def unread_body_middleware(max_bytes: int) -> Middleware:
    """Closes the connection at once where more than `max_bytes`, or nobody knows how much, would still come.

    aiohttp reads on for a while, so that the client gets to see the refusal: right for a body that is nearly
    here and for one that was too slow; for all others it is work that a stranger gives us.
    """

    @web.middleware
    async def close_on_long_body(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        is_short = request.content_length is not None and request.content_length <= max_bytes
        if not (request.content.is_eof() or is_short or response.status == HTTPStatus.REQUEST_TIMEOUT):
            request.protocol._lingering_time = 0.0  # noqa: SLF001
            response.force_close()
        return response

    return close_on_long_body

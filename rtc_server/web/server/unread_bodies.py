"""Bodies that no handler has read: a short one is read and dropped, a long one ends the connection."""

from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware


def unread_body_middleware(max_bytes: int) -> Middleware:
    """Closes the connection at once where more than `max_bytes`, or an unknown amount, is still to come.

    aiohttp reads on for a while, so that the client sees the refusal. That is right for a short body and for
    one that was too slow. For all others it would be work that anybody could cause.
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

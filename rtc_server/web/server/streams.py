"""Answers that are sent bit by bit. Their headers go out before the middlewares see the answer."""

from collections.abc import Callable

from aiohttp import web

Change = Callable[[web.StreamResponse], None]
_CHANGES: web.RequestKey[list[Change]] = web.RequestKey("changes before sending", list[Change])


def before_sending(request: web.Request, change: Change) -> None:
    """For a middleware, before its handler: what it does to an answer is done to a stream when that begins."""
    request.setdefault(_CHANGES, []).append(change)


async def begin_stream(request: web.Request, response: web.StreamResponse) -> None:
    for change in request.get(_CHANGES, ()):
        change(response)
    await response.prepare(request)

"""Who asks too often waits for the refusal: a client that ignores it cannot keep the server busy with saying so."""

import asyncio

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from rtc_server.errors import RateLimited

REFUSED_AFTER_S = 1.0
"""A refusal takes 0.3 ms of the event loop. However many connections a client holds, each gets one a second."""


def refusal_middleware(delay_s: float = REFUSED_AFTER_S) -> Middleware:
    """Answers 429 after `delay_s` seconds. Nothing but a waiting task is held meanwhile, one for each connection."""

    @web.middleware
    async def refuse_late(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except RateLimited:
            await asyncio.sleep(delay_s)
            raise

    return refuse_late

"""429 comes late, and everything else at once."""

import asyncio

from aiohttp import web

from rtc_server.errors import RateLimited
from rtc_server.web.server.problems import problem_middleware
from rtc_server.web.server.refusals import refusal_middleware

DELAY_S = 0.3


async def test_a_client_that_ignores_refusals_gets_few_of_them(serve) -> None:
    asked, third = 0, asyncio.Event()

    async def refuse(_request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        if asked == 3:
            third.set()
        raise RateLimited("Too many requests.", 1.0)

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text="at once")

    application = web.Application(middlewares=[problem_middleware, refusal_middleware(DELAY_S)])
    application.add_routes([web.get("/refused", refuse), web.get("/answered", answer)])
    client = await serve(application)
    loop = asyncio.get_running_loop()

    began = loop.time()
    assert [(await client.get("/refused")).status for _ in range(2)] == [429, 429]
    assert loop.time() - began >= 2 * DELAY_S
    assert asked == 2

    # One that waits for its refusal holds up nobody.
    waiting = asyncio.create_task(client.get("/refused"))
    await third.wait()
    assert await (await client.get("/answered")).text() == "at once"
    assert not waiting.done()
    assert (await waiting).status == 429

import asyncio
import json

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bench.crowd import Start
from bench.old_page import OldPage, jpegs
from tests.publisher.clips import encoded_bars

PONGED = web.AppKey("ponged", asyncio.Event)


async def socket_io(request: web.Request) -> web.WebSocketResponse:
    """The few words of Engine.IO 4 and Socket.IO 5 that the published server says to one page."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.send_str('0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000}')
    async for message in socket:
        match message.data[:2]:
            case "40":
                await socket.send_str('40{"sid":"b"}')
                await socket.send_str("2")
            case "42":
                name, data = json.loads(message.data[2:])
                assert name == "video_frame"
                assert data["image"].startswith("data:image/jpeg;base64,")
                await socket.send_str(f'42["tracking_update",{{"frame":{data["frame"]}}}]')
            case "3":
                request.app[PONGED].set()
    return socket


async def test_sends_frames_and_times_their_answers() -> None:
    clip = encoded_bars(0.1, 50)
    page = OldPage(clip, jpegs(clip), Start.of(1, clip))
    application = web.Application()
    ponged = application[PONGED] = asyncio.Event()
    application.add_routes([web.get("/socket.io/", socket_io)])
    async with TestServer(application) as server, aiohttp.ClientSession() as http:
        running = asyncio.create_task(page.run(http, str(server.make_url("")).rstrip("/")))
        await asyncio.wait_for(ponged.wait(), 5)
        async with asyncio.timeout(5):
            while len(page.answers) < 8:
                await asyncio.wait([running], timeout=0.02)
                assert not running.done()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    assert page.frames_sent >= 8
    assert all(0 < latency_ms < 1000 for _, latency_ms in page.answers)
    assert await page.bytes_on_wire() > sum(len(image) for image in jpegs(clip))

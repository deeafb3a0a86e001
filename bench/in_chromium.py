"""A server as a page in headless Chromium sees it, whose camera shows the clip."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import av
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from playwright.async_api import Page, async_playwright

from bench.figures import percentile
from bench.processes import SECRET, MeasuredServer
from rtc_server.learner import Learner
from rtc_server.publisher.encoded_clip import FRAMES_PER_S, EncodedClip
from rtc_server.web.access.auth import mint_token

PAGE = Path(__file__).with_name("in_chromium.html")
LEARNER = Learner(900_001, 1)
TRIES_S = 15.0
"""So long a browser tries how much it may send before it counts."""


async def latency_in_chromium(
    server: MeasuredServer, clip: EncodedClip, seconds: float
) -> dict[str, tuple[float, float]]:
    """p50 and p95 in milliseconds, by what was measured."""
    async with _page(server, clip) as page:
        booted_at_ms = 1000 * (time.time() - time.monotonic())
        found = await page.evaluate("(given) => measureLatency(...given)", [_token(), seconds, booted_at_ms])
    return {name: (percentile(values, 50), percentile(values, 95)) for name, values in found.items()}


async def kbit_per_s_of_chromium(server: MeasuredServer, clip: EncodedClip, seconds: float) -> float:
    """Both ways, of a page that leaves it to the server to say how much is too much."""
    async with _page(server, clip) as page:
        sent = await page.evaluate("(given) => measureBytes(...given)", [_token(), seconds, TRIES_S])
    return 8 * float(sent) / 1000 / seconds


def _token() -> str:
    return mint_token(SECRET, LEARNER, audience="rtc-server")


@asynccontextmanager
async def _page(server: MeasuredServer, clip: EncodedClip) -> AsyncIterator[Page]:
    with tempfile.TemporaryDirectory(prefix="rtc-bench-") as folder:
        camera = Path(folder) / "camera.y4m"
        await asyncio.to_thread(_write_y4m, clip, camera)
        async with TestServer(_page_server(server.url), host="127.0.0.1") as page_server, async_playwright() as play:
            browser = await play.chromium.launch(
                executable_path="/usr/bin/chromium",
                args=[
                    "--no-sandbox",
                    "--enable-experimental-web-platform-features",
                    "--use-fake-ui-for-media-stream",
                    "--use-fake-device-for-media-stream",
                    f"--use-file-for-fake-video-capture={camera}",
                ],
            )
            try:
                page = await browser.new_page()
                await page.goto(str(page_server.make_url("/")))
                yield page
            finally:
                await browser.close()


def _write_y4m(clip: EncodedClip, path: Path) -> None:
    decoder = av.CodecContext.create("vp8", "r")
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{clip.width} H{clip.height} F{FRAMES_PER_S:.0f}:1 Ip A1:1 C420jpeg\n".encode())
        for picture in clip.pictures:
            (frame,) = decoder.decode(av.Packet(picture.data))
            file.write(b"FRAME\n")
            file.write(frame.to_ndarray(format="yuv420p").tobytes())


def _page_server(whip_url: str) -> web.Application:
    """The page, and the endpoint under the page's own origin, so that no setting of the server need change."""

    async def page(_request: web.Request) -> web.StreamResponse:
        return web.FileResponse(PAGE)

    async def offer(request: web.Request) -> web.Response:
        headers = {"Content-Type": "application/sdp", "Authorization": request.headers["Authorization"]}
        async with ClientSession() as http, http.post(whip_url, data=await request.read(), headers=headers) as answer:
            return web.Response(status=answer.status, text=await answer.text(), content_type="application/sdp")

    application = web.Application()
    application.add_routes([web.get("/", page), web.post("/whip", offer)])
    return application

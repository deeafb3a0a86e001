"""The same latency as a page sees it: in headless Chromium, from a frame's capture to its update."""

import asyncio
import tempfile
import time
from pathlib import Path

from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from playwright.async_api import async_playwright

from bench.figures import percentile
from bench.processes import SECRET, MeasuredServer
from rtc_server.learner import Learner
from rtc_server.signalling.auth import mint_token
from tests.camera import write_y4m

PAGE = Path(__file__).with_name("in_chromium.html")


async def latency_in_chromium(server: MeasuredServer, seconds: float) -> dict[str, tuple[float, float]]:
    """p50 and p95, in milliseconds, by what was measured."""
    token = mint_token(SECRET, Learner(900_001, 1), audience="rtc-server")
    with tempfile.TemporaryDirectory(prefix="rtc-bench-") as folder:
        camera = await asyncio.to_thread(write_y4m, Path(folder) / "camera.y4m")
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
                booted_at_ms = 1000 * (time.time() - time.monotonic())
                await page.goto(str(page_server.make_url("/")))
                found = await page.evaluate("(given) => measure(...given)", [token, seconds, booted_at_ms])
            finally:
                await browser.close()
    return {name: (percentile(values, 50), percentile(values, 95)) for name, values in found.items()}


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

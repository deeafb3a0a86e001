"""A page of the platform's, written for `WebcamWebSocket`: the class renamed, a token added, nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Page

from rtc_server.learner import Learner
from rtc_server.settings import Settings
from rtc_server.signalling.auth import mint_token
from tests.e2e.conftest import OpenPage, stored_rows
from tests.e2e.server_process import running_server

SECRET = "the platform and the server share it, and no one else"
LEARNER = Learner(user_id=7, module_id=3, section_id=2)
OLD_FIELDS = {"is_focused", "gaze_direction", "metrics", "timestamp"}
OLD_METRICS = {
    "focused_time",
    "unfocused_time",
    "total_time",
    "focus_percentage",
    "focus_sessions",
    "unfocus_sessions",
    "current_state",
}
PAGE = """<!doctype html>
<title>Lesson 3</title>
<script src="{server}static/webcam-webrtc.js"></script>
<script>
  const updates = [], connections = [], errors = [];
  const webcam = new WebcamWebRTC({{
    token: "{token}",
    onTrackingUpdate: (data) => updates.push(data),
    onConnectionChange: (connected) => connections.push(connected),
    onError: (error) => errors.push(error),
  }});
</script>
"""


@asynccontextmanager
async def _platform() -> AsyncIterator[tuple[TestServer, dict[str, str]]]:
    """A web server at another origin than ours; what it serves is filled in once ours is up."""
    pages: dict[str, str] = {}

    async def serve(_: web.Request) -> web.Response:
        return web.Response(text=pages["lesson"], content_type="text/html")

    application = web.Application()
    application.router.add_get("/lesson.php", serve)
    async with TestServer(application) as platform:
        yield platform, pages


@asynccontextmanager
async def _lesson(chromium_page: OpenPage, database_url: str, token: str, **camera: bool) -> AsyncIterator[Page]:
    async with _platform() as (platform, pages):
        origin = str(platform.make_url("")).rstrip("/")
        settings = {"RTC_DATABASE_URL": database_url, "RTC_TOKEN_SECRET": SECRET, "RTC_CORS_ORIGINS": origin}
        async with running_server(**settings) as server, chromium_page(**camera) as page:
            pages["lesson"] = PAGE.format(server=server.url, token=token)
            await page.goto(f"{origin}/lesson.php")
            yield page


async def _update(page: Page, condition: str, after: str = "") -> dict[str, Any]:
    """The first update of which the JavaScript condition holds, once `after` has been run."""
    await page.evaluate(f"updates.length = 0; {after}")
    found = await page.wait_for_function(f"updates.find((update) => {condition})")
    return dict(await found.json_value())


async def test_a_lesson_from_initialize_to_disconnect(chromium_page: OpenPage, mariadb_url: str) -> None:
    async with _lesson(chromium_page, mariadb_url, _token()) as page:
        assert await page.evaluate("webcam.initialize(7, 3, 2)") is True
        update = await _update(page, "update.metrics.focused_time > 1")
        assert update.keys() >= OLD_FIELDS
        assert update["metrics"].keys() >= OLD_METRICS
        assert (update["is_focused"], update["gaze_direction"]) == (True, "centered")
        assert update["round_trip_ms"] > 0
        assert update["round_trip_is_estimate"] is False

        await _update(page, "update.reason === 'paused'", after="webcam.pause()")
        await _update(page, "update.is_focused", after="webcam.resume()")
        assert await page.evaluate("webcam.isTracking")

        await page.evaluate("webcam.disconnect()")
        assert await page.evaluate("[webcam.isConnected, webcam.stream, connections.at(-1), errors]") == [
            False,
            None,
            False,
            [],
        ]

    (row,) = stored_rows(mariadb_url)
    assert (row["user_id"], row["module_id"], row["section_id"]) == (7, 3, 2)
    assert row["focused_time_seconds"] + row["unfocused_time_seconds"] == row["total_time_seconds"] >= 1


async def test_a_second_window_takes_over(chromium_page: OpenPage, sqlite_url: str) -> None:
    async with _lesson(chromium_page, sqlite_url, _token()) as first:
        assert await first.evaluate("webcam.initialize(7, 3, 2)") is True
        assert first.context.browser is not None
        second = await first.context.browser.new_page()
        await second.goto(first.url)
        assert await second.evaluate("webcam.initialize(7, 3, 2)") is True
        error = await first.wait_for_function("errors[0]")
        assert (await error.json_value())["type"] == "REPLACED"
        assert not await first.evaluate("webcam.isConnected")
        assert await second.evaluate("webcam.isConnected")


async def test_a_camera_that_is_denied(chromium_page: OpenPage, sqlite_url: str) -> None:
    async with _lesson(chromium_page, sqlite_url, _token(), allow_camera=False) as page:
        assert await page.evaluate("webcam.initialize(7, 3, 2)") is False
        assert await page.evaluate("errors.map(({ type }) => type)") == ["CAMERA_PERMISSION_DENIED"]


async def test_a_token_of_nobody(chromium_page: OpenPage, sqlite_url: str) -> None:
    async with _lesson(chromium_page, sqlite_url, "not.a.token") as page:
        assert await page.evaluate("webcam.initialize(7, 3, 2)") is False
        assert await page.evaluate("errors.map(({ type }) => type)") == ["TOKEN_ERROR"]
        assert await page.evaluate("webcam.stream") is None


def _token() -> str:
    return mint_token(SECRET, LEARNER, audience=Settings.model_fields["token_audience"].default)

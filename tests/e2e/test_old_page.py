"""A page of the platform's, written for `WebcamWebSocket`: the class renamed, a token added, nothing else."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Page

from rtc_server.learner import Learner
from rtc_server.settings import Settings
from rtc_server.web.access.auth import mint_token
from tests.databases import PrivateMariaDb
from tests.e2e.conftest import OpenPage, final_row
from tests.e2e.demo_page import REMEMBER_CONNECTIONS
from tests.e2e.server_process import ServerProcess, running_server

pytestmark = pytest.mark.asyncio(loop_scope="package")

SECRET = "the platform and the server share it, and no one else"
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
  // What the page that is there says under the camera's picture.
  let shown = "";
  const show = (data) => {{
    if (data.is_focused !== undefined) shown = data.is_focused ? "Currently Focused" : "Currently Unfocused";
  }};
  const webcam = new WebcamWebRTC({{
    token: "{token}",
    onTrackingUpdate: (data) => {{ updates.push(data); show(data); }},
    onConnectionChange: (connected, state) => connections.push([connected, state]),
    onError: (error) => errors.push(error),
  }});
</script>
"""


@dataclass(frozen=True)
class LessonPage:
    url: str
    database_url: str
    server: ServerProcess

    def of(self, learner: Learner) -> str:
        """Its address, with the token that the platform would print into the page for this learner."""
        token = mint_token(SECRET, learner, audience=Settings.model_fields["token_audience"].default)
        return f"{self.url}?token={token}"


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def lesson_page(mariadb_server: PrivateMariaDb) -> AsyncIterator[LessonPage]:
    """The platform, at another origin than our server's."""
    server_url = ""

    async def serve(request: web.Request) -> web.Response:
        text = PAGE.format(server=server_url, token=request.query.get("token", ""))
        response = web.Response(text=text, content_type="text/html")
        response.force_close()  # a connection kept for later would outlive its test
        return response

    application = web.Application()
    application.router.add_get("/{page:.*}", serve)
    async with TestServer(application) as platform:
        origin = str(platform.make_url("")).rstrip("/")
        database_url = mariadb_server.new_database()
        settings = {"RTC_DATABASE_URL": database_url, "RTC_TOKEN_SECRET": SECRET, "RTC_CORS_ORIGINS": origin}
        async with running_server(**settings) as server:
            server_url = server.url
            yield LessonPage(f"{origin}/lesson.php", database_url, server)


async def _update(page: Page, condition: str, after: str = "") -> dict[str, Any]:
    """The first update of which the JavaScript condition holds, once `after` has been run."""
    await page.evaluate(f"updates.length = 0; {after}")
    found = await page.wait_for_function(f"updates.find((update) => {condition})")
    return dict(await found.json_value())


async def test_a_lesson_from_initialize_to_disconnect(open_page: OpenPage, lesson_page: LessonPage) -> None:
    async with open_page() as page:
        await page.goto(lesson_page.of(Learner(user_id=7, module_id=3, section_id=2)))
        assert await page.evaluate("webcam.initialize(7, 3, 2)") is True
        update = await _update(page, "update.metrics.focused_time > 1")
        assert update.keys() >= OLD_FIELDS
        assert update["metrics"].keys() >= OLD_METRICS
        assert (update["is_focused"], update["gaze_direction"]) == (True, "centered")
        assert update["round_trip_ms"] > 0
        assert update["round_trip_is_estimate"] is False

        await page.evaluate("webcam.pause()")
        await _update(page, "update.is_focused", after="webcam.resume()")
        assert await page.evaluate("webcam.isTracking") is True
        assert await page.evaluate("connections") == [[True, "live"]]

        await page.evaluate("webcam.disconnect()")
        assert await page.evaluate("[webcam.isConnected, webcam.stream]") == [False, None]
        assert await page.evaluate("connections") == [[True, "live"], [False, "stopped"]]
        assert await page.evaluate("errors") == []

    row = await final_row(lesson_page.database_url, "user_id", 7)
    assert (row["module_id"], row["section_id"]) == (3, 2)
    assert row["focused_time_seconds"] + row["unfocused_time_seconds"] == row["total_time_seconds"] >= 1


async def test_a_click_on_the_next_section_makes_few_requests(open_page: OpenPage, lesson_page: LessonPage) -> None:
    """The platform loads its page anew for each section. It was fourteen requests each time."""
    async with open_page() as page:
        for _visit in range(2):
            before = len(lesson_page.server.requests)
            await page.goto(lesson_page.of(Learner(user_id=14, module_id=3)))
            assert await page.evaluate("webcam.initialize(14, 3)") is True
            await _update(page, "update.round_trip_ms > 0")
            asked = lesson_page.server.requests[before:]
            await page.evaluate("webcam.disconnect()")
        # Asked whether they have changed: the plain script, the client, and the worker that times frames.
        assert asked.count("GET /static/{name}") == 3
        assert {"GET /ice-servers", "POST /whip"} <= set(asked)
        assert len(asked) <= 7


async def test_what_is_not_known_accuses_nobody(open_page: OpenPage, lesson_page: LessonPage) -> None:
    async with open_page() as page:
        await page.goto(lesson_page.of(Learner(user_id=13, module_id=3)))
        assert await page.evaluate("webcam.initialize(13, 3)") is True
        await _update(page, "update.is_focused")
        update = await _update(page, "update.reason === 'paused'", after="webcam.pause()")
        assert "is_focused" not in update
        assert (update["gaze_direction"], update["metrics"]["current_state"]) == ("unknown", "unknown")
        assert await page.evaluate("shown") == "Currently Focused", "what was said last"
        # A camera that gives no more pictures.
        await page.evaluate("webcam.resume(); webcam.stream.getVideoTracks()[0].stop()")
        update = await _update(page, "update.state === 'unknown' && update.reason !== 'paused'")
        assert "is_focused" not in update
        assert (update["gaze_direction"], update["metrics"]["current_state"]) == ("unknown", "unknown")
        assert await page.evaluate("updates.some(({ gaze_direction }) => gaze_direction === 'error')") is False
        await page.evaluate("webcam.disconnect()")
    await final_row(lesson_page.database_url, "user_id", 13)


async def test_a_lost_connection_is_made_again_and_the_times_go_on(
    open_page: OpenPage, lesson_page: LessonPage
) -> None:
    async with open_page() as page:
        await page.add_init_script(REMEMBER_CONNECTIONS)
        await page.goto(lesson_page.of(Learner(user_id=11, module_id=3)))
        assert await page.evaluate("webcam.initialize(11, 3)") is True
        before = await _update(page, "update.metrics.focused_time > 1")
        await page.evaluate("peers.at(-1).close(); peers.at(-1).dispatchEvent(new Event('connectionstatechange'))")
        await page.wait_for_function("peers.length === 2 && webcam.isConnected")
        after = await _update(page, "update.is_focused")
        assert after["metrics"]["focused_time"] >= before["metrics"]["focused_time"]
        assert await page.evaluate("[peers.length, errors]") == [2, []]
        assert await page.evaluate("connections") == [[True, "live"], [False, "reconnecting"], [True, "live"]]
        await page.evaluate("webcam.disconnect()")
    await final_row(lesson_page.database_url, "user_id", 11)


async def test_leaving_the_page_ends_the_session(open_page: OpenPage, lesson_page: LessonPage) -> None:
    async with open_page() as page:
        await page.goto(lesson_page.of(Learner(user_id=12, module_id=3)))
        assert await page.evaluate("webcam.initialize(12, 3)") is True
        await _update(page, "update.is_focused")
        await page.goto("about:blank")
        row = await final_row(lesson_page.database_url, "user_id", 12)
    assert json.loads(row["session_data"])["end_reason"] == "stopped"


async def test_a_second_window_takes_over(open_page: OpenPage, lesson_page: LessonPage) -> None:
    learner = Learner(user_id=8, module_id=3)
    async with open_page() as first, open_page() as second:
        await first.goto(lesson_page.of(learner))
        await second.goto(lesson_page.of(learner))
        assert await first.evaluate("webcam.initialize(8, 3)") is True
        assert await second.evaluate("webcam.initialize(8, 3)") is True
        error = await first.wait_for_function("errors[0]")
        assert (await error.json_value())["type"] == "REPLACED"
        assert await first.evaluate("webcam.isConnected") is False
        assert await second.evaluate("webcam.isConnected") is True


async def test_a_camera_that_is_denied(open_page: OpenPage, lesson_page: LessonPage) -> None:
    async with open_page(allow_camera=False) as page:
        await page.goto(lesson_page.of(Learner(user_id=9, module_id=3)))
        assert await page.evaluate("webcam.initialize(9, 3)") is False
        assert await page.evaluate("errors.map(({ type }) => type)") == ["CAMERA_PERMISSION_DENIED"]
        assert await page.evaluate("connections") == []


async def test_a_token_of_nobody(open_page: OpenPage, lesson_page: LessonPage) -> None:
    async with open_page() as page:
        await page.goto(f"{lesson_page.url}?token=not.a.token")
        assert await page.evaluate("webcam.initialize(10, 3)") is False
        assert await page.evaluate("errors.map(({ type }) => type)") == ["TOKEN_ERROR"]
        assert await page.evaluate("webcam.stream") is None
        assert await page.evaluate("connections") == []

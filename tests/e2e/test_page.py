"""The server's own page, as a newcomer meets it: consent, Start, the live state, Stop, the stored row."""

import re
from datetime import UTC, datetime

import pytest
from playwright.async_api import Route, expect

from tests.e2e.conftest import PATIENCE_MS, DemoServer, OpenPage, final_row
from tests.e2e.demo_page import CAMERA_WITH_SCENES, expect_nothing_old, start, stop
from tests.e2e.server_process import running_server

pytestmark = pytest.mark.asyncio(loop_scope="package")
expect.set_options(timeout=PATIENCE_MS)


async def test_from_consent_to_the_stored_row(open_page: OpenPage, demo_server: DemoServer) -> None:
    async with open_page() as page:
        messages: list[str] = []
        opened_at = datetime.now(UTC)
        page.on("console", lambda message: messages.append(message.text))
        await page.goto(demo_server.url)
        await expect(page.get_by_role("heading", name="Before your camera opens")).to_be_visible()
        assert await page.evaluate("document.getElementById('preview').srcObject") is None

        await start(page)
        await expect(page.locator("#reason")).to_have_text("Your face and eyes are turned to the screen.")
        await expect(page.locator("#focused-time")).to_have_text(re.compile(r"^0:(0[2-9]|[1-5]\d)$"))
        await expect(page.locator("#round-trip-median")).to_have_text(re.compile(r"^\d+ ms$"))
        await expect(page.locator("#timeline [data-state=focused]")).not_to_have_count(0)

        await stop(page)
        shown = {
            column: int(await page.locator(f"td[data-column={column}]").inner_text())
            for column in ("id", "total_time_seconds", "focused_time_seconds", "unfocused_time_seconds")
        }
        assert not [message for message in messages if "Content Security Policy" in message]

    row = await final_row(demo_server.database_url, "id", shown["id"])
    assert {column: row[column] for column in shown} == shown
    assert row["focused_time_seconds"] + row["unfocused_time_seconds"] == row["total_time_seconds"]
    assert row["focused_time_seconds"] >= 2
    assert row["unfocused_time_seconds"] == 0
    assert opened_at <= row["consent_at"].replace(tzinfo=UTC) <= datetime.now(UTC)


async def test_a_second_visit_makes_few_requests(open_page: OpenPage, sqlite_url: str) -> None:
    async with running_server("--demo", RTC_DATABASE_URL=sqlite_url) as server, open_page() as page:
        await page.goto(server.url)
        await start(page)
        await expect(page.locator("#round-trip")).to_have_text(re.compile(r"^\d+ ms$"))
        before = len(server.requests)
        await page.goto(server.url)
        await start(page)
        await expect(page.locator("#round-trip")).to_have_text(re.compile(r"^\d+ ms$"))
        # The files of the page have their version in their addresses: only the worker is asked whether it has changed.
        assert sorted(set(server.requests[before:]) - {"DELETE /whip/{peer_id}"}) == [
            "GET /",
            "GET /ice-servers",
            "GET /static/{name}",
            "POST /demo/token",
            "POST /whip",
        ]
        assert server.requests[before:].count("GET /static/{name}") == 1


async def test_the_stored_row_is_asked_for_once(open_page: OpenPage, demo_server: DemoServer) -> None:
    """It was up to forty times: the server saves a session before it answers what is stored of it."""
    asked: list[str] = []

    async def count(route: Route) -> None:
        asked.append(route.request.url)
        await route.continue_()

    async with open_page() as page:
        await page.goto(demo_server.url)
        await start(page)
        await page.route("**/focus-sessions/*", count)
        await stop(page)
    assert len(asked) == 1


async def test_paused_time_is_not_counted(open_page: OpenPage, demo_server: DemoServer) -> None:
    async with open_page() as page:
        await page.goto(demo_server.url)
        await start(page)
        await page.get_by_role("button", name="Pause").click()
        await expect(page.locator("#state")).to_have_text("Paused")
        await expect(page.locator("#curtain")).to_be_visible()
        await page.get_by_role("button", name="Resume").click()
        await expect(page.locator("#state")).to_have_text("Focused")
        await expect(page.locator("#unfocused-time")).to_have_text("0:00")


async def test_a_second_person_is_said_while_they_are_there(open_page: OpenPage, demo_server: DemoServer) -> None:
    async with open_page() as page:
        await page.add_init_script(CAMERA_WITH_SCENES)
        await page.goto(demo_server.url)
        await start(page)
        note = page.locator("#second-face")
        await expect(note).to_be_empty()
        await page.evaluate("window.scene = 'two faces'")
        await expect(note).to_have_text("There is a second face in the picture.")
        await expect(page.locator("#state")).to_have_text("Focused")
        await page.evaluate("window.scene = ''")
        await expect(note).to_be_empty()


async def test_a_camera_that_is_denied_is_explained(open_page: OpenPage, demo_server: DemoServer) -> None:
    async with open_page(allow_camera=False) as page:
        await page.goto(demo_server.url)
        await page.get_by_role("button", name="turn the camera on").click()
        await expect(page.get_by_role("heading", name="The camera is blocked")).to_be_focused()
        await expect(page.locator("#problem")).to_have_attribute("data-type", "CAMERA_PERMISSION_DENIED")
        await page.get_by_role("button", name="Try again").click()
        await expect(page.get_by_role("heading", name="Before your camera opens")).to_be_visible()


async def test_a_session_that_has_reached_its_age_is_not_begun_anew_unasked(
    open_page: OpenPage, sqlite_url: str
) -> None:
    async with (
        running_server("--demo", RTC_DATABASE_URL=sqlite_url, RTC_MAX_SESSION_AGE="2") as server,
        open_page() as page,
    ):
        await page.goto(server.url)
        await start(page)
        await expect(page.locator("#problem")).to_have_attribute("data-type", "EXPIRED")
        await expect(page.get_by_role("heading", name="Time for a break")).to_be_focused()


@pytest.mark.timeout(120)
async def test_the_page_comes_back_when_the_server_does(open_page: OpenPage, sqlite_url: str) -> None:
    async with open_page() as page:
        async with running_server("--demo", RTC_DATABASE_URL=sqlite_url) as server:
            await page.goto(server.url)
            await start(page)
            port = server.port
        await expect(page.locator("#connection")).to_have_attribute("data-state", "reconnecting")
        await expect(page.locator("#state")).to_have_text("Unknown")
        await expect_nothing_old(page)
        async with running_server("--demo", port=port, RTC_DATABASE_URL=sqlite_url):
            await page.evaluate("dispatchEvent(new Event('online'))")
            await expect(page.locator("#connection")).to_have_attribute("data-state", "live")
            await expect(page.locator("#state")).to_have_text("Focused")
            await stop(page)

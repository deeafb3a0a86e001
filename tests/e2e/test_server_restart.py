"""A server that is killed, or stopped, and comes back while a page is live: noticed, said, and gone on with."""

import asyncio
import logging
import re
import signal
import time
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.e2e.conftest import PATIENCE_MS, OpenPage
from tests.e2e.demo_page import CAMERA_WITH_SCENES, expect_nothing_old, seconds, start, stop
from tests.e2e.server_process import running_server

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(120)]
expect.set_options(timeout=PATIENCE_MS)

LOG = logging.getLogger(__name__)
AWAY_S = 5.0
BACK_WITHIN_S = 1.0
BUSY_MACHINE_S = 2.5
"""A new connection takes a fifth of a second where nothing else runs."""
HOLD_SILENCE = """() => {
  window.later = setTimeout;
  window.setTimeout = (run, ms) => (ms === 1800 ? ((window.noticing = run), 0) : later(run, ms));
}"""
"""The page's timer for a server that says nothing."""
SESSION_ID = """() => {
  window.sessions = [];
  const parse = JSON.parse;
  JSON.parse = (text, ...rest) => {
    const read = parse(text, ...rest);
    if (read?.type === "tracking_started") sessions.push([read.focus_session_id, read.continued]);
    if (read?.changing_to) window.changing = read.changing_to;
    return read;
  };
}"""


@pytest.fixture
def kept(sqlite_url: str, tmp_path: Path) -> dict[str, str]:
    """What a server and the next one share."""
    return {"RTC_DATABASE_URL": sqlite_url, "RTC_SPOOL": str(tmp_path / "spool")}


async def focused_s(page: Page) -> int:
    return seconds(await page.locator("#focused-time").inner_text())


async def test_a_killed_server_is_noticed_and_the_run_goes_on_when_it_is_back(
    open_page: OpenPage, kept: dict[str, str]
) -> None:
    async with open_page() as page:
        await page.add_init_script(f"({SESSION_ID})()")
        async with running_server("--demo", **kept) as server:
            await page.goto(server.url)
            await start(page)
            await expect(page.locator("#focused-time")).to_have_text(re.compile(r"0:0[3-9]"))
            port = server.port
            await server.stop(signal.SIGKILL)
            killed = time.monotonic()
            await expect(page.locator("#state")).to_have_text("Unknown")
            noticed_s = time.monotonic() - killed
        await expect(page.locator("#connection")).to_have_text("Connecting again…")
        await expect(page.locator("#reason")).to_contain_text("Your times so far are safe.")
        await expect_nothing_old(page)
        before = await focused_s(page)
        await asyncio.sleep(max(0.0, AWAY_S - (time.monotonic() - killed)))
        async with running_server("--demo", port=port, **kept):
            returned = time.monotonic()
            await expect(page.locator("#state")).to_have_text("Focused")
            back_s = time.monotonic() - returned
            away_s = time.monotonic() - killed
            await expect(page.locator("#as-of")).to_be_empty()
            assert await focused_s(page) >= before - 1
            await expect(page.locator("#timeline [data-state=focused]")).to_have_count(2)
            await expect(page.locator("#timeline [data-state=unknown]")).not_to_have_count(0)
            first, second = await page.evaluate("sessions")
            assert second == [first[0], True]
            await stop(page)
            unknown = await page.locator("#stored-times [data-state=unknown] dd").inner_text()
            assert AWAY_S - 1 <= seconds(unknown) <= away_s + 1
            await expect(page.locator("#stored-timeline [data-state=focused]")).to_have_count(2)
    LOG.info("noticed after %.1f s, back %.1f s after the server", noticed_s, back_s)
    assert noticed_s < 2.0 + BUSY_MACHINE_S
    assert back_s < BACK_WITHIN_S + BUSY_MACHINE_S


async def test_a_server_that_has_forgotten_the_connection_is_connected_to_anew(
    open_page: OpenPage, kept: dict[str, str]
) -> None:
    """It is back before the page has noticed anything: there is no refused request that would say so."""
    async with open_page() as page:
        async with running_server("--demo", **kept) as server:
            await page.goto(server.url)
            await start(page)
            port = server.port
            # The page does not come to notice it until the next one listens.
            await page.evaluate(HOLD_SILENCE)
            await expect(page.locator("#focused-time")).to_have_text(re.compile(r"0:0[2-9]"))
            await server.stop(signal.SIGKILL)
        async with running_server("--demo", port=port, **kept):
            await page.evaluate("window.setTimeout = later; noticing()")
            returned = time.monotonic()
            await expect(page.locator("#connection")).to_have_text("Connecting again…")
            await expect(page.locator("#state")).to_have_text("Focused")
            assert time.monotonic() - returned < BACK_WITHIN_S + BUSY_MACHINE_S


async def test_a_server_that_is_stopped_says_so_first(open_page: OpenPage, kept: dict[str, str]) -> None:
    async with open_page() as page:
        await page.add_init_script(f"({SESSION_ID})()")
        async with running_server("--demo", **kept) as server:
            await page.goto(server.url)
            await start(page)
            await expect(page.locator("#focused-time")).to_have_text(re.compile(r"0:0[2-9]"))
            port = server.port
        await expect(page.locator("#reason")).to_have_text(
            "The server is restarting. The page goes on by itself. Your times so far are safe."
        )
        await expect_nothing_old(page)
        before = await focused_s(page)
        async with running_server("--demo", port=port, **kept):
            await expect(page.locator("#state")).to_have_text("Focused")
            assert await focused_s(page) >= before
            first, second = await page.evaluate("sessions")
            assert second == [first[0], True]


async def test_a_change_under_way_is_shown(open_page: OpenPage, kept: dict[str, str]) -> None:
    async with running_server("--demo", **kept) as server, open_page() as page:
        await page.add_init_script(CAMERA_WITH_SCENES)
        await page.goto(server.url)
        await start(page)
        await page.evaluate("""() => {
          const heading = document.getElementById("state");
          window.seen = [];
          new MutationObserver(() => seen.push([heading.textContent, heading.dataset.changing]))
            .observe(heading, { attributes: true, attributeFilter: ["data-changing"] });
          window.scene = "empty room";
        }""")
        await expect(page.locator("#state")).to_have_text("Elsewhere")
        assert ["Focused", "unfocused"] in await page.evaluate("seen")
        await expect(page.locator("#state")).to_have_attribute("data-changing", "")

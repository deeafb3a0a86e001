"""What the page shows while nothing is measured: paused, without news, without a connection. Nothing old looks new."""

import re
import signal

import pytest
from playwright.async_api import expect

from tests.e2e.conftest import PATIENCE_MS, DemoServer, OpenPage
from tests.e2e.demo_page import expect_nothing_old, seconds, start, stop
from tests.e2e.server_process import running_server

pytestmark = pytest.mark.asyncio(loop_scope="package")
expect.set_options(timeout=PATIENCE_MS)

# Two seconds without news, and what a busy machine takes on top. Before, it was more than ten.
SAID_WITHIN_MS = 5_000

# The last update is kept, to be delivered once more after its connection was closed.
KEEP_THE_LAST_UPDATE = """
  RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...configuration) {
      super(...configuration);
      window.peer ??= this;
    }
    createDataChannel(label, options) {
      const channel = super.createDataChannel(label, options);
      if (label === "focus") {
        channel.addEventListener("message", ({ data }) => { window.lastUpdate = { channel, data }; });
      }
      return channel;
    }
  };
"""
CLOSE = "peer.close(); peer.dispatchEvent(new Event('connectionstatechange'))"
DELIVER_LATE = "lastUpdate.channel.dispatchEvent(new MessageEvent('message', { data: lastUpdate.data }))"


async def test_a_pause_says_where_its_time_goes_and_the_sums_agree(
    open_page: OpenPage, demo_server: DemoServer
) -> None:
    async with open_page() as page:
        await page.goto(demo_server.url)
        await start(page)
        await expect(page.locator("#sending")).to_have_text(re.compile(r"\d"))
        await page.get_by_role("button", name="Pause").click()
        await expect(page.locator("#reason")).to_have_text("Paused time counts as unknown, not as elsewhere.")
        await expect(page.locator("#connection")).to_have_text("Connected, paused")
        await expect_nothing_old(page)
        # The next reading of the upload is due now.
        await page.wait_for_timeout(2_100)
        await expect_nothing_old(page)
        await page.get_by_role("button", name="Resume").click()
        await expect(page.locator("#state")).to_have_text("Focused")
        await expect(page.locator("#connection")).to_have_text("Live")
        await expect(page.locator("#as-of")).to_be_empty()
        await stop(page)

        times = {
            state: seconds(await page.locator(f"#stored-times [data-state={state}] dd").inner_text())
            for state in ("focused", "unfocused", "unknown")
        }
        assert times["unknown"] >= 2
        assert sum(times.values()) == seconds(await page.locator("#stored-axis-end").inner_text())
        counted = times["focused"] + times["unfocused"]
        await expect(page.locator("#stored-lead")).to_contain_text(f"0:{counted:02} counted")
        assert int(await page.locator("td[data-column=total_time_seconds]").inner_text()) == counted


async def test_a_killed_server_is_not_shown_as_live(open_page: OpenPage, sqlite_url: str) -> None:
    async with running_server("--demo", RTC_DATABASE_URL=sqlite_url) as server, open_page() as page:
        await page.goto(server.url)
        await start(page)
        await expect(page.locator("#focused-time")).to_have_text("0:01")
        await server.stop(signal.SIGKILL)
        await expect(page.locator("#state")).to_have_text("Unknown", timeout=SAID_WITHIN_MS)
        # It asked, and nobody is there.
        await expect(page.locator("#reason")).to_contain_text("Your times so far are safe.")
        await expect(page.locator("#connection")).to_have_text("Connecting again…")
        await expect_nothing_old(page)
        await expect(page.locator("#focused-time")).to_have_text(re.compile(r"0:0\d"))


async def test_an_update_that_a_closed_connection_still_delivers_is_not_shown(
    open_page: OpenPage, demo_server: DemoServer
) -> None:
    async with open_page() as page:
        await page.add_init_script(KEEP_THE_LAST_UPDATE)
        await page.goto(demo_server.url)
        await start(page)
        await page.route("**/ice-servers", lambda route: route.abort())
        await page.evaluate(CLOSE)
        await expect(page.locator("#connection")).to_have_text("Connecting again…")
        await page.evaluate(DELIVER_LATE)
        await expect(page.locator("#state")).to_have_text("Unknown")
        await expect(page.locator("#connection")).to_have_text("Connecting again…")
        await expect_nothing_old(page)
        await page.unroute("**/ice-servers")
        await page.evaluate("dispatchEvent(new Event('online'))")
        await expect(page.locator("#connection")).to_have_text("Live")
        await stop(page)

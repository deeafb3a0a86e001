"""Each state of the server's pages, reached as a person reaches it."""

import signal
from collections.abc import AsyncIterator

from playwright.async_api import Page, expect

from tests.e2e.demo_page import CAMERA_WITH_SCENES, REMEMBER_CONNECTIONS, stop
from tests.e2e.server_process import ServerProcess

# In place of what the eyes of the portrait cannot do.
GOOD_CALIBRATION = """async () => {
  // The page's own module, whose address has a version.
  const loaded = performance.getEntriesByType("resource").map((entry) => entry.name);
  const { FocusClient } = await import(loaded.find((name) => name.includes("/focus-client.js")));
  FocusClient.prototype.calibrate = async () => ({ accepted: true, quality: "good", error_deg: 2.3, message: "" });
}"""


async def run_states(page: Page, server: ServerProcess) -> AsyncIterator[str]:
    """From consent to the stored row, at a server in demo mode, which is stopped for a while on the way."""
    await page.add_init_script(CAMERA_WITH_SCENES + REMEMBER_CONNECTIONS)
    await page.goto(server.url)
    await expect(page.locator("#consent")).to_be_visible()
    yield "consent"
    await page.get_by_role("button", name="turn the camera on").click()
    await expect(page.locator("#state")).to_have_text("Ready")
    yield "ready"
    await page.get_by_role("button", name="Start", exact=True).click()
    await expect(page.locator("#state")).to_have_text("Focused")
    await expect(page.locator("#sending")).not_to_have_text("–")
    yield "focused"
    await page.evaluate("window.scene = 'two faces'")
    await expect(page.locator("#second-face")).not_to_be_empty()
    yield "second person"
    await page.evaluate("window.scene = 'empty room'")
    await expect(page.locator("#state")).to_have_text("Elsewhere")
    yield "elsewhere"
    await page.evaluate("window.scene = ''")
    await page.get_by_role("button", name="Pause").click()
    await expect(page.locator("#state")).to_have_text("Paused")
    yield "paused"
    await page.get_by_role("button", name="Resume").click()
    await expect(page.locator("#state")).to_have_text("Focused")
    async for state in _dots(page):
        yield state
    server.send(signal.SIGSTOP)
    await expect(page.locator("#connection")).to_have_text("Waiting for the server")
    yield "no news"
    server.send(signal.SIGCONT)
    await expect(page.locator("#state")).to_have_text("Focused")
    await page.route("**/ice-servers", lambda route: route.abort())
    await page.evaluate("peers.at(-1).close(); peers.at(-1).dispatchEvent(new Event('connectionstatechange'))")
    await expect(page.locator("#connection")).to_have_attribute("data-state", "reconnecting")
    yield "reconnecting"
    await page.unroute("**/ice-servers")
    await page.evaluate("dispatchEvent(new Event('online'))")
    await expect(page.locator("#state")).to_have_text("Focused")
    await stop(page)
    yield "stored"


async def _dots(page: Page) -> AsyncIterator[str]:
    """A client that is not live calibrates nothing: the dots have to be broken off before the next state."""
    await page.get_by_role("button", name="Look at the dots").click()
    yield "dots introduced"
    await page.get_by_role("button", name="Begin").click()
    await expect(page.locator("#dot")).to_be_visible()
    yield "dots"
    await page.keyboard.press("Escape")
    await expect(page.locator("#dots")).to_be_hidden()
    await page.evaluate(GOOD_CALIBRATION)
    await page.get_by_role("button", name="Look at the dots").click()
    await page.get_by_role("button", name="Begin").click()
    await expect(page.locator("#dots-title")).to_have_text("Your screen is known now")
    yield "dots done"
    await page.get_by_role("button", name="Done").click()


async def check_states(page: Page, server: ServerProcess) -> AsyncIterator[str]:
    await page.goto(f"{server.url}check")
    yield "check"
    await page.route("**/ice-servers", lambda route: route.abort())
    await page.get_by_role("button", name="Check this computer").click()
    await expect(page.locator("#verdict")).to_contain_text("cannot start")
    yield "check failed"
    await page.unroute("**/ice-servers")
    await page.get_by_role("button", name="Check again").click()
    await expect(page.locator("#verdict")).to_have_text("Lessons work here.")
    yield "check passed"

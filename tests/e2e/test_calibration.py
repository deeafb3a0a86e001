"""Looking at the dots: taken or left, believed only where the eyes were seen to follow."""

import pytest
from playwright.async_api import Page, expect

from tests.e2e.conftest import PATIENCE_MS, DemoServer, OpenPage, final_row

pytestmark = pytest.mark.asyncio(loop_scope="package")
expect.set_options(timeout=PATIENCE_MS)

GOOD_RESULT = """async () => {
  // The page's own module, whose address has a version.
  const loaded = performance.getEntriesByType("resource").map((entry) => entry.name);
  const { FocusClient } = await import(loaded.find((name) => name.includes("/focus-client.js")));
  FocusClient.prototype.calibrate = async (points, show) => {
    points.forEach(show);
    return { accepted: true, quality: "good", error_deg: 2.3, message: "" };
  };
}"""


async def _start(page: Page, url: str) -> None:
    await page.goto(url)
    await page.get_by_role("button", name="turn the camera on").click()
    await page.get_by_role("button", name="Start", exact=True).click()
    await expect(page.locator("#state")).to_have_text("Focused")


async def test_eyes_that_follow_no_dot_are_told_so_and_counted_as_before(
    open_page: OpenPage, demo_server: DemoServer
) -> None:
    async with open_page() as page:
        await _start(page, demo_server.url)
        dots = page.get_by_role("dialog", name="Look at the dots")
        await page.get_by_role("button", name="Look at the dots").click()
        await expect(dots.get_by_role("button", name="Begin")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.locator("#dot")).to_be_visible()
        places = set()
        while await page.locator("#dot").is_visible():
            places.add(await page.locator("#dot").get_attribute("style"))
        assert len(places) >= 6
        await expect(page.locator("#dots-title")).to_have_text("That did not work. Please try again")
        await expect(page.locator("#dots-text")).to_contain_text("The gaze did not follow the dots.")

        await page.get_by_role("button", name="Try again").click()
        await expect(page.locator("#dot")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.locator("#dots")).to_be_hidden()
        await expect(page.get_by_role("button", name="Look at the dots")).to_be_focused()
        await expect(page.locator("#state")).to_have_text("Focused")
        await expect(page.locator("#unfocused-time")).to_have_text("0:00")

        await page.get_by_role("button", name="Stop").click()
        await expect(page.get_by_role("heading", name="What was stored")).to_be_visible()
        row_id = int(await page.locator("td[data-column=id]").inner_text())
    row = await final_row(demo_server.database_url, "id", row_id)
    assert row["calibration_error_deg"] is None
    assert row["focused_time_seconds"] == row["total_time_seconds"] >= 12


async def test_who_skips_is_left_alone_and_may_come_back(open_page: OpenPage, demo_server: DemoServer) -> None:
    async with open_page() as page:
        await _start(page, demo_server.url)
        offer = page.locator("#calibration")
        await offer.get_by_role("button", name="Skip").click()
        await expect(offer).to_contain_text("taken to be of a usual laptop’s size.")
        await expect(offer.get_by_role("button", name="Skip")).to_be_hidden()
        await offer.get_by_role("button", name="Look at the dots").click()
        await page.get_by_role("dialog").get_by_role("button", name="Skip").click()
        await expect(page.get_by_role("dialog")).to_be_hidden()
        await page.get_by_role("button", name="Pause").click()
        await expect(offer.get_by_role("button", name="Look at the dots")).to_be_disabled()


async def test_a_good_one_is_told_in_words(open_page: OpenPage, demo_server: DemoServer) -> None:
    async with open_page() as page:
        await _start(page, demo_server.url)
        await page.evaluate(GOOD_RESULT)
        await page.get_by_role("button", name="Look at the dots").click()
        await page.get_by_role("button", name="Begin").click()
        await expect(page.locator("#dots-title")).to_have_text("Your screen is known now")
        await expect(page.locator("#dots-text")).to_contain_text("measured to about 2°")
        await expect(page.get_by_role("button", name="Done")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("dialog")).to_be_hidden()
        await expect(page.locator("#calibration")).to_contain_text("accurate to about 2°")

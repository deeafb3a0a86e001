"""What has its place on the page: on a phone 390 pixels wide, and on a laptop's 1280×800."""

import pytest
from playwright.async_api import FloatRect, Locator, Page, ViewportSize, expect

from tests.e2e.conftest import PATIENCE_MS, DemoServer, OpenPage
from tests.e2e.demo_page import start, stop
from tests.e2e.page_states import GOOD_CALIBRATION

pytestmark = pytest.mark.asyncio(loop_scope="package")
expect.set_options(timeout=PATIENCE_MS)

PHONE: ViewportSize = {"width": 390, "height": 844}
PHONE_WITH_BARS_PX = 664
"""What Safari and Chrome leave of it to a page."""
LAPTOP: ViewportSize = {"width": 1280, "height": 800}
TEXT_BOX = """(element) => {
  const range = document.createRange();
  range.selectNodeContents(element);
  const { x, y, width, height } = range.getBoundingClientRect();
  return { x, y, width, height };
}"""


async def box(locator: Locator) -> FloatRect:
    found = await locator.bounding_box()
    assert found is not None
    return found


async def text_box(locator: Locator) -> FloatRect:
    found: FloatRect = await locator.evaluate(TEXT_BOX)
    return found


def same_line(first: FloatRect, second: FloatRect) -> bool:
    middle = second["y"] + second["height"] / 2
    return first["y"] < middle < first["y"] + first["height"]


async def background(page: Page, name: str) -> str:
    colour: str = await page.get_by_role("button", name=name, exact=True).evaluate(
        "(it) => getComputedStyle(it).backgroundColor"
    )
    return colour


async def test_on_a_phone(open_page: OpenPage, demo_server: DemoServer) -> None:
    async with open_page() as page:
        await page.set_viewport_size(PHONE)
        await page.goto(demo_server.url)
        await page.get_by_role("button", name="turn the camera on").click()
        await expect(page.locator("#start")).to_be_visible()
        start_button, camera_off = await box(page.locator("#start")), await box(page.locator("#camera-off"))
        assert same_line(start_button, camera_off)
        await page.get_by_role("button", name="Start", exact=True).click()
        await expect(page.locator("#state")).to_have_text("Focused")
        state = await box(page.locator("#state"))
        assert state["y"] + state["height"] < PHONE_WITH_BARS_PX, "the state is seen without scrolling"
        stop_button = await box(page.locator("#stop"))
        assert stop_button["y"] + stop_button["height"] < PHONE_WITH_BARS_PX
        for key in await page.locator("figcaption .key").all():
            assert same_line(await box(key), await box(key.locator("span")))
        assert await page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]

        await stop(page)
        for row in await page.locator("#row tr:not(:has([data-column=session_data]))").all():
            name, value = await text_box(row.locator("th")), await text_box(row.locator("td"))
            assert name["x"] + name["width"] + 8 <= value["x"]
        assert await page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


async def test_on_a_laptop_everything_is_seen_at_once(open_page: OpenPage, demo_server: DemoServer) -> None:
    async with open_page() as page:
        await page.set_viewport_size(LAPTOP)
        await page.goto(demo_server.url)
        await start(page)
        axis = await box(page.locator("#axis-end"))
        assert axis["y"] + axis["height"] <= LAPTOP["height"] - 16


async def test_stop_does_not_look_like_start(open_page: OpenPage, demo_server: DemoServer) -> None:
    async with open_page() as page:
        await page.goto(demo_server.url)
        await page.get_by_role("button", name="turn the camera on").click()
        colour = await background(page, "Start")
        await page.get_by_role("button", name="Start", exact=True).click()
        assert await background(page, "Stop") != colour


@pytest.mark.parametrize("full_screen", [True, False])
async def test_closing_the_dots_gives_the_keyboard_back(
    open_page: OpenPage, demo_server: DemoServer, full_screen: bool
) -> None:
    async with open_page() as page:
        if not full_screen:
            await page.add_init_script("Element.prototype.requestFullscreen = () => Promise.reject(new TypeError())")
        await page.goto(demo_server.url)
        await start(page)
        offer = page.get_by_role("button", name="Look at the dots")
        for way_out in ("Escape", "Skip", "Done"):
            await offer.click()
            if way_out == "Done":
                await page.evaluate(GOOD_CALIBRATION)
                await page.get_by_role("button", name="Begin").click()
                await expect(page.locator("#dots-title")).to_have_text("Your screen is known now")
            if way_out == "Escape":
                await page.keyboard.press("Escape")
            else:
                await page.get_by_role("dialog").get_by_role("button", name=way_out).click()
            await expect(page.locator("#dots")).to_be_hidden()
            # Where the browser puts the focus right is two frames later.
            await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            await expect(offer).to_be_focused()

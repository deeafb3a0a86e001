"""Takes the pictures of the pages: `python -m docs.page_picture`. The learner's own is from a real run.

The class and its learner are a school of the tests: nobody's pictures, and nobody's times.
"""

import asyncio
import io
import tempfile
from pathlib import Path

from PIL import Image
from playwright.async_api import Browser, async_playwright, expect

from tests.camera import write_y4m
from tests.e2e.conftest import CHROMIUM, QUIET
from tests.e2e.demo_page import CAMERA_WITH_SCENES, start
from tests.e2e.school import School, history, lesson, open_school
from tests.e2e.server_process import running_server

DOCS = Path(__file__).parent
SCENES = (("", 12.0), ("empty room", 3.0), ("", 12.0), ("empty room", 3.0), ("", 4.0))
"""And for how many seconds each."""
LEARNER = 3


async def take(folder: Path) -> dict[str, bytes]:
    """By name."""
    camera = [
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={write_y4m(folder / 'face.y4m')}",
    ]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *camera])
        pictures = {"page": await _lesson(browser, folder), **await _school(browser)}
        await browser.close()
    return pictures


async def _lesson(browser: Browser, folder: Path) -> bytes:
    database = f"sqlite+aiosqlite:///{folder / 'rtc.sqlite3'}"
    async with running_server("--demo", RTC_DATABASE_URL=database) as server:
        context = await browser.new_context(viewport={"width": 1280, "height": 800}, permissions=["camera"])
        page = await context.new_page()
        await page.add_init_script(CAMERA_WITH_SCENES)
        await page.goto(server.url)
        await start(page)
        for scene, seconds in SCENES:
            await page.evaluate("(scene) => { window.scene = scene }", scene)
            await asyncio.sleep(seconds)
        await expect(page.locator("#state")).to_have_text("Focused")
        await page.evaluate("document.activeElement.blur()")
        return await page.screenshot()


async def _school(browser: Browser) -> dict[str, bytes]:
    async with open_school(School(lesson(), history(LEARNER))) as url:
        page = await browser.new_page(viewport={"width": 1280, "height": 920})
        await page.goto(f"{url}class")
        await expect(page.locator(".strip[aria-label*=unknown]")).to_have_count(len(lesson()))
        pictures = {"class": await page.screenshot()}
        await page.goto(f"{url}class/learner/{LEARNER}")
        await expect(page.locator(".strip[aria-label*=unknown]")).to_have_count(1)
        await page.locator("#cursor").fill("1010")
        await page.evaluate("document.activeElement.blur()")
        pictures["learner"] = await page.screenshot(full_page=True)
    return pictures


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        pictures = asyncio.run(take(Path(folder)))
    for name, picture in pictures.items():
        # A palette halves the file, and nobody sees it.
        image = Image.open(io.BytesIO(picture)).convert("RGB").quantize(256)
        image.save(DOCS / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()

"""Takes the picture of the page for the README from a real run: `python -m docs.page_picture`."""

import asyncio
import io
import tempfile
from pathlib import Path

from PIL import Image
from playwright.async_api import async_playwright, expect

from tests.camera import write_y4m
from tests.e2e.conftest import CHROMIUM, QUIET
from tests.e2e.demo_page import CAMERA_WITH_SCENES, start
from tests.e2e.server_process import running_server

PICTURE = Path(__file__).parent / "page.png"
SCENES = (("", 12.0), ("empty room", 3.0), ("", 12.0), ("empty room", 3.0), ("", 4.0))
"""And for how many seconds each."""


async def take(folder: Path) -> bytes:
    camera = [
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={write_y4m(folder / 'face.y4m')}",
    ]
    database = f"sqlite+aiosqlite:///{folder / 'rtc.sqlite3'}"
    async with running_server("--demo", RTC_DATABASE_URL=database) as server, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *camera])
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
        picture = await page.screenshot()
        await browser.close()
    return picture


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        picture = asyncio.run(take(Path(folder)))
    # A palette halves the file, and nobody sees it.
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(256).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()

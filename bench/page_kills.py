"""Our page in Chromium, while its server is killed and comes back."""

import asyncio
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from playwright.async_api import Page, async_playwright

from bench.clip import sitter
from bench.database_faults import private_database
from bench.fault_stage import Stage, wait_for_server
from bench.network_cut import clip_file
from bench.run import Run
from bench.through_chromium import camera_flags, write_camera
from tests.e2e.demo_page import start

WITHIN_S = 30.0
AWAY_S = 4.0
WATCH = """() => {
  window.said = [];
  const state = document.getElementById("state");
  const note = () => said.push([Date.now() / 1000, state.textContent.trim()]);
  new MutationObserver(note).observe(state, {childList: true, characterData: true, subtree: true});
}"""


@dataclass
class PageKills:
    noticed_s: list[float] = field(default_factory=list)
    """After the kill: the page no longer says what was."""
    back_s: list[float] = field(default_factory=list)
    """After the next server was ready."""


async def page_kills(run: Run, kills: int) -> PageKills:
    """The page of `serve --demo`, with a made sitter as its camera."""
    found = PageKills()
    with (
        tempfile.TemporaryDirectory(prefix="rtc-faults-") as folder,
        private_database("mysql") as database,
        clip_file(sitter(10.0)) as clip,
    ):
        camera = Path(folder) / "camera.y4m"
        await asyncio.to_thread(write_camera, clip, camera, lead_s=0.0, tail_s=0.0)
        made = Stage(database.url, Path(folder), "--demo")
        try:
            async with aiohttp.ClientSession() as http, async_playwright() as playwright:
                await made.start()
                await wait_for_server(http, made.url)
                browser = await playwright.chromium.launch(**camera_flags(camera))
                for _ in range(kills):
                    # A page of its own: one whose server dies again and again tries less and less often.
                    page = await browser.new_page()
                    await page.goto(made.url)
                    await start(page)
                    await page.evaluate(WATCH)
                    await _kill(made, http, page, found)
                    await page.close()
                    run.say(f"faults: page noticed {found.noticed_s[-1]:.2f} s, back {found.back_s[-1]:.2f} s")
                await browser.close()
        finally:
            await made.close()
    return found


async def _kill(made: Stage, http: aiohttp.ClientSession, page: Page, found: PageKills) -> None:
    await asyncio.sleep(2.0)
    killed = time.time()
    await made.stop(signal.SIGKILL)
    found.noticed_s.append(await _said(page, killed, lambda state: state == "Unknown") - killed)
    await asyncio.sleep(max(0.0, killed + AWAY_S - time.time()))
    await made.start()
    await wait_for_server(http, made.url)
    returned = time.time()
    found.back_s.append(await _said(page, killed, lambda state: state == "Focused") - returned)


async def _said(page: Page, since: float, such: Callable[[str], bool]) -> float:
    """When the page first said so after that moment, in seconds since 1970."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            said: list[tuple[float, str]] = await page.evaluate("said")
            moments = [at for at, state in said if at > since and such(state)]
            if moments:
                return moments[0]
            await asyncio.sleep(0.1)

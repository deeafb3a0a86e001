"""While nothing moves in the camera's picture the page sends less, in either browser."""

import base64
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.async_api import Page, async_playwright

from tests.camera import portrait
from tests.e2e.conftest import CHROMIUM, QUIET, DemoServer, OpenPage
from tests.e2e.demo_page import REMEMBER_CONNECTIONS, start
from tests.e2e.firefox import firefox_page

pytestmark = pytest.mark.asyncio(loop_scope="package")

# The browser's own camera is opened, for the permission. The face moves while `moving` says so; the light is never
# quite the same, because a picture that is exactly the same is taken for a frozen one.
CAMERA = """
  const bytes = Uint8Array.from(atob("PORTRAIT"), (character) => character.charCodeAt(0));
  const open = navigator.mediaDevices?.getUserMedia.bind(navigator.mediaDevices);
  if (open) navigator.mediaDevices.getUserMedia = async (wanted) => {
    await open(wanted);
    const portrait = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" }));
    const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 480 });
    const context = canvas.getContext("2d");
    setInterval(() => {
      const turn = performance.now() / 300;
      context.drawImage(portrait, window.moving ? 20 * Math.sin(turn) - 25 : -25, 0, 690, 480);
      context.fillStyle = `rgb(0 0 0 / ${0.01 + 0.01 * Math.sin(turn)})`;
      context.fillRect(0, 0, 640, 480);
    }, 66);
    return canvas.captureStream(15);
  };
"""
# Resolves once so many frames a second are sent, on average over one second or more: a hidden page's timers are slow.
WHEN_SENDING = """
  new Promise((resolve) => {
    const reports = [];
    const look = async () => {
      const now = [...(await window.peers.at(-1).getStats()).values()].find(({ type }) => type === "outbound-rtp");
      reports.push(now);
      const before = reports.findLast(({ timestamp }) => now.timestamp - timestamp >= 1000);
      const sent = before && 1000 * (now.framesSent - before.framesSent) / (now.timestamp - before.timestamp);
      if (LEAST < sent && sent < MOST) resolve(sent);
      else setTimeout(look, 100);
    };
    look();
  })
"""
SCALABILITY = """
  window.peers.at(-1).getStats().then((report) =>
    [...report.values()].find(({ type }) => type === "outbound-rtp").scalabilityMode)
"""
STILL, MOVING = (3.5, 6.5), (8.5, 16.5)
"""Frames a second. The server asks for ten once nothing has changed for a while."""


def camera() -> str:
    jpeg = cv2.imencode(".jpg", cv2.cvtColor(portrait(), cv2.COLOR_RGB2BGR))[1].tobytes()
    return CAMERA.replace("PORTRAIT", base64.b64encode(jpeg).decode())


def when_sending(between: tuple[float, float]) -> str:
    least, most = between
    return WHEN_SENDING.replace("LEAST", str(least)).replace("MOST", str(most))


def write_still_y4m(path: Path) -> Path:
    """The portrait, with a camera's grain, for two seconds in a loop."""
    grain = np.random.default_rng(7)
    with path.open("wb") as file:
        file.write(b"YUV4MPEG2 W640 H480 F15:1 Ip A1:1 C420jpeg\n")
        for _ in range(30):
            noisy = np.clip(portrait() + grain.normal(0, 1.5, (480, 640, 3)), 0, 255).astype(np.uint8)
            file.write(b"FRAME\n" + cv2.cvtColor(noisy, cv2.COLOR_RGB2YUV_I420).tobytes())
    return path


async def started(page: Page, url: str) -> None:
    await page.add_init_script(camera() + REMEMBER_CONNECTIONS)
    await page.goto(url)
    await start(page)


async def test_five_frames_a_second_until_something_moves(open_page: OpenPage, demo_server: DemoServer) -> None:
    async with open_page() as page:
        await started(page, demo_server.url)
        await page.evaluate(when_sending(STILL))
        await page.evaluate("window.moving = true")
        await page.evaluate(when_sending(MOVING))
        assert await page.evaluate(SCALABILITY) == "L1T2"
        await page.evaluate("window.moving = false")
        await page.evaluate(when_sending(STILL))


async def test_a_page_that_nobody_sees_sends_at_the_full_rate(demo_server: DemoServer, tmp_path: Path) -> None:
    """In a minimized window no picture is drawn, so the page cannot see whether one moves."""
    camera_file = write_still_y4m(tmp_path / "still.y4m")
    flags = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    flags += [f"--use-file-for-fake-video-capture={camera_file}"]
    quiet = [flag for flag in QUIET if flag != "--deny-permission-prompts"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*quiet, *flags])
        page = await browser.new_page()
        await page.add_init_script(REMEMBER_CONNECTIONS)
        await page.goto(demo_server.url)
        await start(page)
        await page.evaluate(when_sending(STILL))
        devtools = await page.context.new_cdp_session(page)
        window = await devtools.send("Browser.getWindowForTarget")
        minimized = {"windowId": window["windowId"], "bounds": {"windowState": "minimized"}}
        await devtools.send("Browser.setWindowBounds", minimized)
        await page.evaluate(when_sending(MOVING))
        await browser.close()


@pytest.mark.timeout(120)
async def test_in_firefox_too(demo_server: DemoServer, tmp_path: Path) -> None:
    async with firefox_page(tmp_path, f"() => {{ {camera()} {REMEMBER_CONNECTIONS} }}") as page:
        await page.goto(demo_server.url)
        await page.click("I agree: turn the camera on")
        await page.click("Start")
        await page.wait_for("document.getElementById('state').textContent === 'Focused'")
        await page.evaluate(when_sending(STILL))
        await page.evaluate("window.moving = true")
        await page.evaluate(when_sending(MOVING))
        await page.evaluate("window.moving = false")
        await page.evaluate(when_sending(STILL))

"""The page of the server, used as a person uses it."""

import re

from playwright.async_api import Page, expect

# The camera's picture; while `scene` says so, with the same face once more, smaller, or without any.
CAMERA_WITH_SCENES = """
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    const video = Object.assign(document.createElement("video"), { srcObject: await open(wanted), muted: true });
    await video.play();
    const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 480 });
    const context = canvas.getContext("2d");
    setInterval(() => {
      // The wall beside the portrait.
      if (window.scene === "empty room") context.drawImage(video, 100, 0, 120, 100, 0, 0, 640, 480);
      else context.drawImage(video, 0, 0, 640, 480);
      if (window.scene === "two faces") context.drawImage(video, 200, 0, 280, 280, 0, 250, 230, 230);
    }, 66);
    return canvas.captureStream(15);
  };
"""
REMEMBER_CONNECTIONS = """
  window.peers = [];
  RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...configuration) {
      super(...configuration);
      peers.push(this);
    }
  };
"""
NUMBERS = ("round-trip", "round-trip-median", "round-trip-p95", "server-time", "sending", "confidence")


async def start(page: Page) -> None:
    """From consent to the first judgement."""
    await page.get_by_role("button", name="turn the camera on").click()
    await page.get_by_role("button", name="Start", exact=True).click()
    await expect(page.locator("#state")).to_have_text("Focused")


async def stop(page: Page) -> None:
    """To the stored row."""
    await page.get_by_role("button", name="Stop").click()
    await expect(page.get_by_role("heading", name="What was stored")).to_be_visible()


def seconds(shown: str) -> int:
    """Of a time as the page writes it: 1:05, or 1:02:03."""
    assert re.fullmatch(r"\d+(:\d\d)+", shown), shown
    total = 0
    for part in shown.split(":"):
        total = 60 * total + int(part)
    return total


async def expect_nothing_old(page: Page) -> None:
    """No number of the moment, no direction; the times say when they were true."""
    for number in NUMBERS:
        await expect(page.locator(f"#{number}")).to_have_text("–")
    await expect(page.locator("#dial-pointers")).to_be_hidden()
    await expect(page.locator("#as-of")).to_have_text(re.compile(r"^Times as of .*\d"))

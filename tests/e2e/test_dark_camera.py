"""A camera that shows nothing, through Chromium: UNKNOWN, and never held against the learner."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.async_api import Browser, async_playwright

from tests.camera import FRAMES_PER_SECOND, HEIGHT, WIDTH
from tests.e2e.conftest import CHROMIUM, QUIET
from tests.e2e.server_process import running_server
from tests.media.pictures import in_light, people

pytestmark = pytest.mark.asyncio(loop_scope="package")

SCENE_S = 1.5
BLACK = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
SCENES = (
    {"picture": BLACK, "light": 1.0},
    {"picture": BLACK, "light": 1.0, "noise": 6.0},
    {"picture": BLACK, "light": 1.0, "full_range": True},
    {"picture": BLACK + np.uint8(28), "light": 1.0, "noise": 3.0},
    {"picture": people((200, 120)), "light": 0.02, "noise": 1.0},
    {"picture": people((200, 120)), "light": 0.05, "noise": 1.0},
)
"""As arguments of `in_light`. Black in both ranges, with and without noise; a covered lens; a sitter in a dark room."""

SAID_IN = """
async ([codec, seconds]) => {
  const {token} = await (await fetch("/demo/token", {method: "POST"})).json();
  const camera = await navigator.mediaDevices.getUserMedia({video: {width: 640, height: 480, frameRate: 15}});
  const peer = new RTCPeerConnection();
  const {sender} = peer.addTransceiver(camera.getVideoTracks()[0], {direction: "sendonly", streams: [camera]});
  const codecs = RTCRtpSender.getCapabilities("video").codecs.filter((one) => one.mimeType === codec);
  peer.getTransceivers()[0].setCodecPreferences(codecs);
  const focus = peer.createDataChannel("focus", {ordered: false, maxRetransmits: 0});
  await peer.setLocalDescription();
  const answer = await fetch("/whip", {
    method: "POST",
    headers: {"Content-Type": "application/sdp", "Authorization": `Bearer ${token}`},
    body: peer.localDescription.sdp,
  });
  await peer.setRemoteDescription({type: "answer", sdp: await answer.text()});
  const said = {};
  await new Promise((resolve) => {
    let until = null;
    focus.onmessage = ({data}) => {
      const {type, state, reason, media_time_s} = JSON.parse(data);
      if (type !== "tracking_update") return;
      said[`${state}, ${reason}`] = (said[`${state}, ${reason}`] ?? 0) + 1;
      until ??= media_time_s + seconds;
      if (media_time_s >= until) resolve();
    };
  });
  const stats = [...(await peer.getStats()).values()];
  const sent = stats.find((one) => one.type === "outbound-rtp");
  peer.close();
  camera.getTracks().forEach((track) => track.stop());
  return {said, codec: stats.find((one) => one.id === sent.codecId).mimeType};
}
"""


def _write_camera(path: Path) -> Path:
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FRAMES_PER_SECOND}:1 Ip A1:1 C420jpeg\n".encode())
        for scene in SCENES:
            takes = [in_light(**scene, seed=seed).to_ndarray().tobytes() for seed in range(4)]
            for number in range(round(SCENE_S * FRAMES_PER_SECOND)):
                file.write(b"FRAME\n" + takes[number % len(takes)])
    return path


async def _said(browser: Browser, url: str, codec: str) -> dict[str, Any]:
    context = await browser.new_context(permissions=["camera"])
    page = await context.new_page()
    await page.goto(url)
    said: dict[str, Any] = await page.evaluate(SAID_IN, [codec, SCENE_S * len(SCENES)])
    return said


async def test_a_camera_that_shows_nothing_is_low_light_and_counts_against_nobody(
    tmp_path: Path, sqlite_url: str
) -> None:
    camera = await asyncio.to_thread(_write_camera, tmp_path / "dark.y4m")
    flags = ["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={camera}"]
    async with running_server("--demo", RTC_DATABASE_URL=sqlite_url) as server, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *flags])
        vp8, h264 = await asyncio.gather(*(_said(browser, server.url, codec) for codec in ("video/VP8", "video/H264")))
        await browser.close()
    assert (vp8["codec"], h264["codec"]) == ("video/VP8", "video/H264")
    for said in (vp8["said"], h264["said"]):
        assert set(said) == {"unknown, low_light"}
        assert said["unknown, low_light"] > 20

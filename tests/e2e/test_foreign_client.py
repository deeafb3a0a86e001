"""A page that knows WHIP and nothing of us, and that puts no limit to what its browser sends."""

from pathlib import Path

import pytest

from tests.e2e.conftest import OpenPage
from tests.e2e.server_process import running_server

pytestmark = pytest.mark.asyncio(loop_scope="package")

ASKED_KBPS = 100
SEND_CAMERA = """
async (seconds) => {
  const {token} = await (await fetch("/demo/token", {method: "POST"})).json();
  const camera = await navigator.mediaDevices.getUserMedia({video: {width: 640, height: 480, frameRate: 15}});
  const peer = new RTCPeerConnection();
  peer.addTransceiver(camera.getVideoTracks()[0], {direction: "sendonly", streams: [camera]});
  const focus = peer.createDataChannel("focus", {ordered: false, maxRetransmits: 0});
  await peer.setLocalDescription();
  const answer = await fetch("/whip", {
    method: "POST",
    headers: {"Content-Type": "application/sdp", "Authorization": `Bearer ${token}`},
    body: peer.localDescription.sdp,
  });
  await peer.setRemoteDescription({type: "answer", sdp: await answer.text()});
  const sent = async () => {
    const report = [...(await peer.getStats()).values()].find((one) => one.type === "outbound-rtp");
    return [report.timestamp, report.bytesSent, report.framesSent];
  };
  // Once it answers, the browser has begun to send.
  await new Promise((resolve) => { focus.onmessage = resolve; });
  const [began, bytesBefore, framesBefore] = await sent();
  await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  const [ended, bytes, frames] = await sent();
  peer.close();
  camera.getTracks().forEach((track) => track.stop());
  return {kbps: 8 * (bytes - bytesBefore) / (ended - began), fps: 1000 * (frames - framesBefore) / (ended - began)};
}
"""


async def test_its_browser_keeps_to_the_bitrate_of_the_answer(open_page: OpenPage, tmp_path: Path) -> None:
    """Left alone, Chromium sends a megabit and more within seconds."""
    settings = {"RTC_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/rtc.sqlite3", "RTC_MAX_BITRATE": str(ASKED_KBPS)}
    async with running_server("--demo", **settings) as server, open_page() as page:
        await page.goto(server.url)
        sent = await page.evaluate(SEND_CAMERA, 3)
    assert sent["kbps"] < 1.3 * ASKED_KBPS
    assert sent["fps"] > 5

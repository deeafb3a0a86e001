"""A clip played as Chromium's camera into a real server: what was said live, and what was stored.

Black pictures after the clip say where in media time it ends: the server calls them too dark. Before it they give the
connection time to stand. None of them is sent: what is sent begins with the clip, as a file does when it is read.
"""

import asyncio
import tempfile
from bisect import bisect_right
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from playwright.async_api import Playwright, async_playwright

from rtc_server.focus.policy import Policy
from rtc_server.focus.state import FocusSnapshot, FocusState, GazeDirection, Reason, Span, Totals
from rtc_server.media.clip import Clip
from rtc_server.offline.analysis import Analysis
from tests.e2e.server_process import running_server

FPS = 15.0
WIDTH, HEIGHT = 640, 480
LEAD_S, TAIL_S = 4.0, 2.0
"""Of black: the connection stands before the clip begins, and the end of the clip is decided before the camera
begins it again."""
LIT = 12
"""A colour's level, of 255, that no black picture reaches."""
CHROMIUM = "/usr/bin/chromium"

PLAY = """
async ([seconds, settling, lit]) => {
  const {token} = await (await fetch("/demo/token", {method: "POST"})).json();
  const authorization = {"Authorization": `Bearer ${token}`};
  const camera = await navigator.mediaDevices.getUserMedia({video: {width: 640, height: 480, frameRate: 15}});
  const video = document.createElement("video");
  video.muted = true;
  video.srcObject = camera;
  const canvas = Object.assign(document.createElement("canvas"), {width: 64, height: 48});
  const small = canvas.getContext("2d", {willReadFrequently: true});
  const brightest = () => {
    small.drawImage(video, 0, 0, canvas.width, canvas.height);
    const {data} = small.getImageData(0, 0, canvas.width, canvas.height);
    return data.reduce((most, level, index) => (index % 4 === 3 ? most : Math.max(most, level)), 0);
  };
  const begun = new Promise((resolve) => {
    const look = () => (brightest() > lit ? resolve() : video.requestVideoFrameCallback(look));
    video.requestVideoFrameCallback(look);
  });
  await video.play();
  const peer = new RTCPeerConnection();
  const {sender} = peer.addTransceiver("video", {direction: "sendonly", streams: [camera]});
  const focus = peer.createDataChannel("focus", {ordered: false, maxRetransmits: 0});
  const control = peer.createDataChannel("control");
  let session = null;
  const updates = [];
  control.onmessage = ({data}) => { session ??= JSON.parse(data).focus_session_id; };
  focus.onmessage = ({data}) => {
    const {type, state, reason, confidence, media_time_s} = JSON.parse(data);
    if (type === "tracking_update") updates.push({state, reason, confidence, media_time_s});
  };
  await peer.setLocalDescription();
  const answer = await fetch("/whip", {
    method: "POST",
    headers: {"Content-Type": "application/sdp", ...authorization},
    body: peer.localDescription.sdp,
  });
  await peer.setRemoteDescription({type: "answer", sdp: await answer.text()});
  await begun;
  await sender.replaceTrack(camera.getVideoTracks()[0]);
  await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  // A camera on a busy machine is late.
  await new Promise((resolve) => {
    const look = () => (brightest() > lit ? video.requestVideoFrameCallback(look) : resolve());
    look();
  });
  await new Promise((resolve) => setTimeout(resolve, 1000 * settling));
  await fetch(answer.headers.get("Location"), {method: "DELETE", headers: authorization});
  peer.close();
  camera.getTracks().forEach((track) => track.stop());
  for (;;) {
    const stored = await fetch(`/focus-sessions/${session}`, {headers: authorization});
    if (stored.ok) {
      const {ended_at, spans} = await stored.json();
      if (ended_at !== null) return {updates, spans};
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
"""


def analyses(paths: Iterable[Path], policy: Policy) -> dict[Path, Analysis]:
    """Each clip once through Chromium and a server of its own, in real time."""
    return asyncio.run(_played(tuple(paths), policy))


async def _played(paths: tuple[Path, ...], policy: Policy) -> dict[Path, Analysis]:
    found = {}
    with tempfile.TemporaryDirectory(prefix="rtc-bench-") as folder:
        database = f"sqlite+aiosqlite:///{folder}/rtc.sqlite3"
        async with (
            running_server("--demo", RTC_DATABASE_URL=database) as server,
            async_playwright() as playwright,
        ):
            for path in paths:
                camera = Path(folder) / "camera.y4m"
                seconds = await asyncio.to_thread(write_camera, path, camera)
                said = await _said(playwright, server.url, camera, seconds)
                found[path] = _analysis(said, seconds, policy)
    return found


def write_camera(clip: Path, camera: Path, *, lead_s: float = LEAD_S, tail_s: float = TAIL_S) -> float:
    """A Y4M of the clip between black, fitted into 640x480; gives the clip's length in seconds."""
    reformatter = VideoReformatter()
    black = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
    black[:HEIGHT] = 16
    with camera.open("wb") as file, Clip(clip) as opened:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FPS:.0f}:1 Ip A1:1 C420jpeg\n".encode())

        def show(picture: np.ndarray[Any, np.dtype[np.uint8]], times: int = 1) -> None:
            file.write((b"FRAME\n" + picture.tobytes()) * times)

        show(black, round(lead_s * FPS))
        shown, picture = 0, black
        for time_s, frame in opened.frames(FPS):
            # A camera repeats its picture until there is a new one.
            due = round(time_s * FPS)
            show(picture, max(0, due - shown))
            picture, shown = _fitted(reformatter, frame, black), max(due, shown)
        show(picture)
        show(black, round(tail_s * FPS))
    return (shown + 1) / FPS


def _fitted(
    reformatter: VideoReformatter, frame: av.VideoFrame, black: np.ndarray[Any, np.dtype[np.uint8]]
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    scale = min(WIDTH / frame.width, HEIGHT / frame.height)
    width, height = (round(side * scale / 4) * 4 for side in (frame.width, frame.height))
    small = reformatter.reformat(frame, width, height, "yuv420p", interpolation="AREA").to_ndarray()
    left, top = (WIDTH - width) // 4 * 2, (HEIGHT - height) // 4 * 2
    picture = black.copy()
    picture[top : top + height, left : left + width] = small[:height]
    chroma = picture[HEIGHT:].reshape(2, HEIGHT // 2, WIDTH // 2)
    chroma[:, top // 2 : (top + height) // 2, left // 2 : (left + width) // 2] = small[height:].reshape(
        2, height // 2, width // 2
    )
    return picture


def camera_flags(camera: Path) -> dict[str, Any]:
    """How Chromium is started with this file as its camera."""
    flags = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    file = f"--use-file-for-fake-video-capture={camera}"
    return {"executable_path": CHROMIUM, "args": ["--no-sandbox", *flags, file]}


async def _said(playwright: Playwright, url: str, camera: Path, seconds: float) -> dict[str, Any]:
    browser = await playwright.chromium.launch(**camera_flags(camera))
    try:
        page = await browser.new_page()
        await page.goto(url)
        said: dict[str, Any] = await page.evaluate(PLAY, [seconds, TAIL_S / 2, LIT])
        return said
    finally:
        await browser.close()


def _analysis(said: dict[str, Any], seconds: float, policy: Policy) -> Analysis:
    """In the clip's own time, counted back from where it ends: the first picture or two are over before the page sees
    that the clip has begun."""
    dark = [span["start_s"] for span in said["spans"] if span["reason"] == Reason.LOW_LIGHT]
    begin_s = dark[-1] - seconds
    spans = tuple(
        Span(span["start_s"] - begin_s, span["end_s"] - begin_s, FocusState(span["state"]), Reason(span["reason"]))
        for span in said["spans"]
    )
    updates = sorted(said["updates"], key=lambda one: float(one["media_time_s"]))
    times = [update["media_time_s"] - begin_s for update in updates]
    snapshots = tuple(
        _snapshot(number / FPS, updates[max(0, bisect_right(times, number / FPS) - 1)])
        for number in range(round(seconds * FPS))
    )
    return Analysis(policy, snapshots, spans, (), Totals())


def _snapshot(at_s: float, update: dict[str, Any]) -> FocusSnapshot:
    """What a page shows at this moment: the last update. Nothing but what is scored."""
    return FocusSnapshot(
        media_time_s=at_s,
        state=FocusState(update["state"]),
        reason=Reason(update["reason"]),
        gaze_direction=GazeDirection.ERROR,
        confidence=update["confidence"],
        head=None,
        gaze=None,
        eye_openness=None,
        face_count=0,
        brightness=0.0,
        perclos=None,
        totals=Totals(),
    )

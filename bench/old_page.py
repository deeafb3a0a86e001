"""The page that is being replaced, as a load: base64 JPEGs over Socket.IO, each answered by a `tracking_update`.

Speaks Engine.IO 4 over a WebSocket itself, as the page's library does after its upgrade, so that the load is cheap.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import monotonic

import aiohttp
import av
import cv2

from bench.clip import beginning_at
from bench.crowd import SETTLE_S, Answer, Crowd, Start
from bench.processes import MeasuredServer
from rtc_server.publisher.clip_track import next_in_phase
from rtc_server.publisher.encoded_clip import EncodedClip

JPEG_QUALITY = 80
OPEN, PING, PONG, MESSAGE = "0", "2", "3", "42"


class OldPage:
    """One learner at the old page."""

    def __init__(self, clip: EncodedClip, images: list[str], start: Start) -> None:
        """`images` are the clip's, which all pages share: see `jpegs`."""
        self.answers: list[Answer] = []
        self.frames_sent = 0
        self.connected = asyncio.Event()
        self._images = images[start.picture :] + images[: start.picture]
        self._times_s = [picture.time_s for picture in beginning_at(clip, start.picture).pictures]
        self._round_s = clip.duration_s
        self._phase_s = start.phase_s
        self._bytes = 0
        self._sent_at: dict[int, float] = {}

    async def bytes_on_wire(self) -> int:
        return self._bytes

    async def run(self, http: aiohttp.ClientSession, server_url: str) -> None:
        """Until cancelled."""
        async with http.ws_connect(f"{server_url}/socket.io/?EIO=4&transport=websocket", max_msg_size=0) as socket:
            await socket.send_str("40")
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(socket))
                await self.connected.wait()
                await self._send(socket)

    async def _send(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        started = next_in_phase(self._phase_s, monotonic())
        while True:
            round_, index = divmod(self.frames_sent, len(self._images))
            due = started + round_ * self._round_s + self._times_s[index]
            await asyncio.sleep(due - monotonic())
            text = f'{MESSAGE}["video_frame",{{"frame":{self.frames_sent},"image":"{self._images[index]}"}}]'
            # A browser takes a frame at its time, and buffers what the connection does not: so it waits since then.
            self._sent_at[self.frames_sent] = due if monotonic() - due > 1 / 15 else monotonic()
            self.frames_sent += 1
            await socket.send_str(text)
            self._bytes += len(text)

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            text = message.data
            self._bytes += len(text)
            if text == PING:
                await socket.send_str(PONG)
            elif text.startswith("40"):
                self.connected.set()
            elif text.startswith(MESSAGE):
                update = json.loads(text[len(MESSAGE) :])[1]
                arrived = monotonic()
                self.answers.append((arrived, 1000 * (arrived - self._sent_at.pop(update["frame"]))))


@asynccontextmanager
async def old_pages(server: MeasuredServer, clip: EncodedClip, count: int) -> AsyncIterator[Crowd]:
    """As `bench.crowd.crowd`, for the old transport."""
    images = jpegs(clip)
    pages = [OldPage(clip, images, Start.of(index, clip)) for index in range(count)]
    async with aiohttp.ClientSession() as http:
        running = [asyncio.create_task(page.run(http, server.url)) for page in pages]
        try:
            async with asyncio.timeout(60):
                for page in pages:
                    await page.connected.wait()
            await asyncio.sleep(SETTLE_S)
            yield Crowd(server, pages)
            if any(task.done() for task in running):
                raise RuntimeError("A page lost its connection to the old transport.")
        finally:
            for task in running:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*running, return_exceptions=True)


_made: dict[int, list[str]] = {}


def jpegs(clip: EncodedClip) -> list[str]:
    """The clip's pictures as the old page sent them: data URLs of JPEGs."""
    if id(clip) not in _made:
        decoder = av.CodecContext.create("vp8", "r")
        pictures = [decoder.decode(av.Packet(picture.data))[0] for picture in clip.pictures]
        _made[id(clip)] = [_data_url(picture) for picture in pictures]
    return _made[id(clip)]


def _data_url(picture: av.VideoFrame) -> str:
    _, jpeg = cv2.imencode(".jpg", picture.to_ndarray(format="bgr24"), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode()

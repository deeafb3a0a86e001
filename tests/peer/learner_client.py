"""A learner's end of a connection, made of aiortc in the same process."""

import asyncio
import fractions
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import av
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)

from rtc_server.learner import Grant, Learner
from rtc_server.peer.registry import PeerAnswer, PeerRegistry
from rtc_server.transport.early_close import allow_early_close

DEADLINE_S = 10.0


def grant(user_id: int = 1, module_id: int = 1) -> Grant:
    return Grant(Learner(user_id, module_id), policy="reading", role="learner")


class Camera(MediaStreamTrack):
    """Grey pictures that grow lighter, as fast as a test wants them."""

    kind = "video"

    def __init__(self, fps: int = 30, size: tuple[int, int] = (160, 120)) -> None:
        super().__init__()
        self._period_s = 1 / fps
        self._size = size
        self._count = 0
        self.running = asyncio.Event()
        self.running.set()

    async def recv(self) -> av.VideoFrame:
        await asyncio.sleep(self._period_s)
        await self.running.wait()
        width, height = self._size
        picture = np.full((height * 3 // 2, width), self._count % 200, np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = int(self._count * self._period_s * 90_000)
        frame.time_base = fractions.Fraction(1, 90_000)
        self._count += 1
        return frame


class LearnerClient:
    """Offers a camera and the data channels, and keeps what it is told."""

    def __init__(self, camera: Camera | None = None, *, codec: str = "video/VP8", control: bool = True) -> None:
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.camera = camera or Camera()
        self.pc.addTrack(self.camera)
        transceiver = self.pc.getTransceivers()[0]
        transceiver.direction = "sendonly"
        transceiver.setCodecPreferences(
            [c for c in RTCRtpSender.getCapabilities("video").codecs if c.mimeType.lower() == codec.lower()]
        )
        self.focus = self.pc.createDataChannel("focus", ordered=False, maxRetransmits=0)
        self.control: RTCDataChannel | None = self.pc.createDataChannel("control") if control else None
        allow_early_close(self.pc, transceiver.sender.transport)
        self.messages: list[dict[str, Any]] = []
        self.closed = asyncio.Event()
        self._news = asyncio.Event()
        for channel in (self.focus, self.control):
            if channel is not None:
                channel.on("message", self._heard)
        self.pc.on("connectionstatechange", self._state_changed)

    async def connect(self, registry: PeerRegistry, as_learner: Grant | None = None, **options: Any) -> PeerAnswer:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        answer = await registry.connect(self.pc.localDescription.sdp, as_learner or grant(), **options)
        await self.pc.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer"))
        return answer

    async def told(self, kind: str, such: Callable[[dict[str, Any]], bool] = lambda _: True) -> dict[str, Any]:
        """The first message of this kind, once it is here. Later ones are left for the next call."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                for index, message in enumerate(self.messages):
                    if message["type"] == kind and such(message):
                        del self.messages[: index + 1]
                        return message
                self._news.clear()
                await self._news.wait()

    def say(self, message: str | bytes | dict[str, Any]) -> None:
        assert self.control is not None
        self.control.send(json.dumps(message) if isinstance(message, dict) else message)

    async def close(self) -> None:
        await self.pc.close()

    def _heard(self, message: str) -> None:
        self.messages.append(json.loads(message))
        self._news.set()

    def _state_changed(self) -> None:
        if self.pc.connectionState == "closed":
            self.closed.set()


@asynccontextmanager
async def learner_client(*args: Any, **options: Any) -> AsyncIterator[LearnerClient]:
    client = LearnerClient(*args, **options)
    try:
        yield client
    finally:
        await client.close()

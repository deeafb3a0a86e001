"""One published learner: connects to the server, sends a track, and keeps the answers."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCRtpCodecCapability,
    RTCRtpSender,
    RTCSessionDescription,
)

from rtc_server.publisher import aiortc_sender, whip_client
from rtc_server.publisher.clip_track import ClipTrack
from rtc_server.publisher.whip_client import ServerRefused, WhipResource

CONNECT_TIMEOUT_S = 15.0
LAST_UPDATE_TIMEOUT_S = 0.5
GOODBYE_TIMEOUT_S = 5.0
SENT_FRAMES_KEPT = 300
"""Number of frames, 20 s of them, whose update may still arrive."""


@dataclass(frozen=True, slots=True)
class Update:
    """A `tracking_update` that arrived."""

    arrived: float
    """Monotonic clock, seconds."""
    latency_ms: float | None
    """Time since the frame's last packet was sent; None if the update names no frame of ours."""
    message: dict[str, Any]


class PublishedLearner:
    """Sends a track to a WHIP endpoint and listens. Call `run` once, then read the results."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        token: str,
        track: ClipTrack,
        *,
        on_update: Callable[[Update], None] = lambda _update: None,
        rewrite_answer: Callable[[str], Awaitable[str]] | None = None,
        continues: str | None = None,
        silence_s: float | None = None,
    ) -> None:
        """`rewrite_answer` may change the answer's SDP, for example to place a proxy between the two.

        continues: the FocusSession that shall go on. silence_s: without an update for so long, the server counts as
        gone; None waits for ICE, which takes half a minute to notice.
        """
        self.track = track
        self.latencies_ms: list[float] = []
        self.updates = 0
        self.last_update: Update | None = None
        self.focus_session_id: str | None = None
        self.end_reason: str | None = None
        self.metrics: dict[str, Any] | None = None
        """The newest metrics; final once `end_reason` is set."""
        self.failure: str | None = None
        """Why it ended too early; None if nothing failed."""
        self.complaint: str | None = None
        """The server's last `error` message. It does not end the session."""
        self.connected = asyncio.Event()
        self._http, self._url, self._token = http, url, token
        self._on_update = on_update
        self._rewrite_answer = rewrite_answer
        self._continues = continues
        self._silence_s = silence_s
        self._silence: asyncio.TimerHandle | None = None
        self._leaving = False
        self.lost = False
        """The connection broke, or the server was stopped: the FocusSession may go on."""
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._control: RTCDataChannel | None = None
        self._resource: WhipResource | None = None
        self._sent_at: dict[int, float] = {}
        self._newest_sent: int | None = None
        self._caught_up = asyncio.Event()
        self._stopped = asyncio.Event()
        self._gone = asyncio.Event()

    async def run(self, interrupted: asyncio.Event, gate: asyncio.Semaphore) -> None:
        """Runs until the track ends, the server ends the session, or `interrupted` is set. An error is in `failure`.

        `gate` is held while connecting, so that not all learners connect at the same moment.
        """
        try:
            async with gate:
                await self._connect()
            await _first_of(self.track.finished, self._gone, interrupted)
        except ServerRefused as error:
            self.failure = str(error)
        finally:
            await self._leave()

    @property
    def frames_sent(self) -> int:
        return self.track.frames_sent

    async def bytes_on_wire(self) -> int:
        """Bytes sent and received, with encryption but without IP and UDP headers."""
        report = await self._peer.getStats()
        return sum(one.bytesSent + one.bytesReceived for one in report.values() if one.type == "transport")

    async def _connect(self) -> None:
        self._peer.on("connectionstatechange", self._connection_changed)
        transceiver = self._peer.addTransceiver(self.track, direction="sendonly")
        transceiver.setCodecPreferences(_vp8_only())
        aiortc_sender.on_keyframe_requested(transceiver.sender, self.track.request_keyframe)
        aiortc_sender.on_frame_sent(transceiver.sender, self._frame_sent)
        aiortc_sender.send_again_as_browsers_do(transceiver.sender)
        aiortc_sender.name_temporal_layers(transceiver.sender)
        focus = self._peer.createDataChannel("focus", ordered=False, maxRetransmits=0)
        self._control = self._peer.createDataChannel("control")
        for channel in (focus, self._control):
            channel.on("message", self._receive)
        await self._peer.setLocalDescription(await self._peer.createOffer())
        self._resource = await whip_client.post_offer(
            self._http, self._url, self._token, self._peer.localDescription.sdp, continues=self._continues
        )
        answer_sdp = self._resource.answer_sdp
        if self._rewrite_answer is not None:
            answer_sdp = await self._rewrite_answer(answer_sdp)
        try:
            await self._peer.setRemoteDescription(RTCSessionDescription(answer_sdp, "answer"))
        except ValueError as error:
            raise ServerRefused(f"{self._url} gave an answer that is not valid SDP: {error}.") from None
        if not await _within(CONNECT_TIMEOUT_S, _first_of(self.connected, self._gone)) or self._gone.is_set():
            raise ServerRefused(f"{self._url} answered, but the connection failed. Does a firewall block UDP?")

    async def _leave(self) -> None:
        """Ends the session on the server, if it can be reached. Never waits for ever."""
        self._leaving = True
        if self._newest_sent is not None and not self._gone.is_set():
            await _within(LAST_UPDATE_TIMEOUT_S, self._caught_up.wait())
        if self._control is not None and self._control.readyState == "open" and not self._gone.is_set():
            self._control.send(json.dumps({"version": 1, "type": "stop"}))
            await _within(GOODBYE_TIMEOUT_S, _first_of(self._stopped, self._gone))
        if self._silence is not None:
            self._silence.cancel()
        if self._resource is not None and not self.lost:
            with suppress(ServerRefused):
                await whip_client.delete(self._http, self._resource, self._token)
        await _within(GOODBYE_TIMEOUT_S, self._peer.close())

    def _connection_changed(self) -> None:
        match self._peer.connectionState:
            case "connected":
                self.connected.set()
            case "failed" | "closed":
                self._lose()

    def _lose(self) -> None:
        self.lost = self.lost or not (self._leaving or self._stopped.is_set())
        self._gone.set()

    def _expect_update(self) -> None:
        if self._silence_s is not None:
            if self._silence is not None:
                self._silence.cancel()
            self._silence = asyncio.get_running_loop().call_later(self._silence_s, self._lose)

    def _frame_sent(self, rtp_timestamp: int) -> None:
        self._caught_up.clear()
        self._newest_sent = rtp_timestamp
        self._sent_at[rtp_timestamp] = time.monotonic()
        if len(self._sent_at) > SENT_FRAMES_KEPT:
            del self._sent_at[next(iter(self._sent_at))]

    def _receive(self, text: str | bytes) -> None:
        arrived = time.monotonic()
        message = json.loads(text)
        match message.get("type"):
            case "tracking_update":
                self._take_update(message, arrived)
            case "tracking_started":
                self.focus_session_id = message["focus_session_id"]
            case "tracking_stopped":
                self.metrics, self.end_reason = message["metrics"], message["reason"]
                if self.end_reason == "shutdown":
                    self._lose()
                if self.end_reason != "stopped":
                    self.failure = f"The server ended the session: {self.end_reason}."
                    self._gone.set()
                self._stopped.set()
            case "error":
                self.complaint = message["message"]

    def _take_update(self, message: dict[str, Any], arrived: float) -> None:
        sent = self._sent_at.pop(message["rtp_timestamp"], None)
        latency_ms = None if sent is None else (arrived - sent) * 1000
        if latency_ms is not None:
            self.latencies_ms.append(latency_ms)
        if message["rtp_timestamp"] == self._newest_sent:
            self._caught_up.set()
        if self.end_reason is None:
            self.metrics = message["metrics"]
        self._expect_update()
        self.updates += 1
        self.last_update = Update(arrived, latency_ms, message)
        self._on_update(self.last_update)


def _vp8_only() -> list[RTCRtpCodecCapability]:
    return [codec for codec in RTCRtpSender.getCapabilities("video").codecs if codec.mimeType == "video/VP8"]


async def _first_of(*events: asyncio.Event) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


async def _within(seconds: float, awaited: Any) -> bool:
    try:
        await asyncio.wait_for(awaited, seconds)
    except TimeoutError:
        return False
    return True

"""One live connection of a learner: everything that belongs to it begins and ends here."""

import asyncio
import functools
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from aiortc import RTCDataChannel

from rtc_server.analysis.focus_session import FocusSession, Recorder
from rtc_server.analysis.pace import AnalysisPace
from rtc_server.analysis.pipeline import AnalyserFactory, Pipeline
from rtc_server.analysis.pool import AnalysisPool
from rtc_server.channel.conversation import Conversation
from rtc_server.channel.data_channels import MESSAGES_PER_S
from rtc_server.channel.update_text import update_text
from rtc_server.focus.state import FocusSnapshot
from rtc_server.frame import EncodedFrame
from rtc_server.learner import Grant
from rtc_server.peer.deadlines import Limits, Verdict, VitalSigns
from rtc_server.record import FocusRecord
from rtc_server.rtp.media_clock import MediaClock
from rtc_server.rtp.receiver import MediaReceiver
from rtc_server.sdp.answer import write_answer
from rtc_server.sdp.offer import Offer
from rtc_server.transport import Connection, Relay
from rtc_server.transport.ice_gathering import IceGathering
from rtc_server.transport.media_allowance import MediaLimits

BEAT_S = 1.0
TROUBLE_TICK_S = 0.02

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PeerServices:
    """What all peers of a server share."""

    make_analyser: AnalyserFactory
    recorder: Recorder
    pool: AnalysisPool
    gathering: IceGathering = field(default_factory=IceGathering)
    relay: Callable[[str], Relay] | None = None
    """From a client's address to a relay for it with a fresh credential, where the server itself is behind one."""
    limits: Limits = field(default_factory=Limits)
    media_limits: MediaLimits = field(default_factory=MediaLimits)
    messages_per_s: float = MESSAGES_PER_S
    """That a client may send on its data channels."""
    adaptive: bool = True


class Peer:
    """Implements `ConnectionEvents` of the guard, `ConversationEvents` and `PipelineEvents`."""

    def __init__(
        self,
        peer_id: str,
        etag: str,
        grant: Grant,
        offer: Offer,
        session: FocusSession,
        continued: bool,
        services: PeerServices,
        client_address: str = "",
    ) -> None:
        self.peer_id = peer_id
        self.etag = etag
        self.grant = grant
        self.offer = offer
        self.session = session
        self.continued = continued
        now = asyncio.get_running_loop().time()
        self.clock = MediaClock(session.clock.now(now), since=now) if continued else session.clock
        self.end_reason: str | None = None
        self._loop = asyncio.get_running_loop()
        self._services = services
        self._vital_signs = VitalSigns(services.limits, now, session.age_s)
        self._over = asyncio.Event()
        self.resumable = False
        """Whether its FocusSession may go on with another peer; known once it has ended."""
        self._started = False
        self._trouble: asyncio.TimerHandle | None = None
        relay = services.relay(client_address) if services.relay is not None else None
        self._connection = Connection(self, services.gathering, relay, services.media_limits)
        self._receiver = MediaReceiver(
            offer.codec, offer.payload_type, self.clock, self._connection.send_rtcp, ssrc=random.getrandbits(32)
        )
        self._conversation = Conversation(session, continued, self, self._loop.time, services.messages_per_s)
        self._lane = services.pool.lane(
            Pipeline(offer.codec, services.make_analyser, session, AnalysisPace(services.adaptive), self),
            self._request_keyframe,
        )

    async def accept(self) -> str:
        """The answer. On any error nothing is left behind."""
        try:
            answer = await self._connection.accept(self.offer.sdp)
            return write_answer(self.offer, answer, self._services.media_limits.bitrate_kbps)
        except BaseException:
            await self._connection.close()
            await self._lane.close()
            raise

    async def run(self) -> None:
        """Lives until `end` is called, by whomever; then closes everything."""
        try:
            async with asyncio.TaskGroup() as tasks:
                beat = tasks.create_task(self._beat())
                await self._over.wait()
                beat.cancel()
        except* Exception:
            logger.exception("a peer failed")
            self.end("failed")
        finally:
            await asyncio.shield(asyncio.ensure_future(self._close()))

    def end(self, reason: str, *, resumable: bool = False) -> None:
        """Ask it to end; only the first reason counts. `resumable`: its FocusSession may go on with another peer."""
        if self.end_reason is None:
            self.end_reason = reason
            self.resumable = resumable
            self._over.set()

    @property
    def started(self) -> bool:
        """True once it was connected: from then on its FocusSession may be taken up by another peer."""
        return self._started

    # -- what the connection says

    def connected(self) -> None:
        now = self._loop.time()
        self._vital_signs.connected(now)
        if self.session.paused:
            self._vital_signs.pause(now)
        if not self._started:
            self._started = True
            self.session.keep_in(self._services.recorder)

    def lost(self) -> None:
        self.end("failed", resumable=True)

    def failed(self, error: Exception) -> None:
        logger.error("a connection failed", exc_info=error)
        self.end("failed")

    def channel(self, channel: RTCDataChannel) -> None:
        self._conversation.add(channel)

    def rtp(self, packet: bytes) -> None:
        if self._over.is_set():
            return
        now = self._loop.time()
        frames = self._receiver.rtp(packet, now)
        if frames:
            self._take(frames, now)
        if self._trouble is None and self._receiver.needs_timer:
            self._trouble = self._loop.call_later(TROUBLE_TICK_S, self._tick)

    def rtcp(self, packet: bytes) -> None:
        self._receiver.rtcp(packet, self._loop.time())

    # -- what the client says

    def paused(self) -> None:
        now = self._loop.time()
        self.session.pause(now)
        self._vital_signs.pause(now)
        self._publish(self.session.snapshot())

    def resumed(self) -> None:
        now = self._loop.time()
        self.session.resume(now)
        self._vital_signs.resume(now)
        self._request_keyframe()
        self._publish(self.session.snapshot())

    def calibrated(self) -> None:
        self.session.keep_in(self._services.recorder)

    # -- what the pipeline says, on its thread

    def updated(self, snapshot: FocusSnapshot, text: str, record: FocusRecord | None) -> None:
        self._services.pool.post(functools.partial(self._deliver, snapshot, text, record))

    def keyframe_needed(self) -> None:
        self._services.pool.post(self._request_keyframe)

    def pace_changed(self, fps: float) -> None:
        self._services.pool.post(functools.partial(self._conversation.ask_for_pace, fps))

    def broken(self) -> None:
        self._services.pool.post(functools.partial(self.end, "failed"))

    # -- on the event loop

    def _take(self, frames: list[EncodedFrame], now: float) -> None:
        self._vital_signs.frame(now)
        if not self.session.paused:
            for frame in frames:
                self._lane.put(frame)

    def _tick(self) -> None:
        self._trouble = None
        if self._over.is_set():
            return
        now = self._loop.time()
        frames = self._receiver.advance(now)
        if frames:
            self._take(frames, now)
        self._tick_soon()

    def _deliver(self, snapshot: FocusSnapshot, text: str, record: FocusRecord | None) -> None:
        if self._over.is_set():
            return
        self._conversation.update(snapshot, text)
        if record is not None:
            self._services.recorder.put(record)

    def _request_keyframe(self) -> None:
        if not self._over.is_set():
            self._receiver.request_keyframe(self._loop.time())
            self._tick_soon()

    def _tick_soon(self) -> None:
        if self._trouble is None and self._receiver.needs_timer:
            self._trouble = self._loop.call_later(TROUBLE_TICK_S, self._tick)

    def _publish(self, snapshot: FocusSnapshot) -> None:
        """A state that no frame led to."""
        self.session.keep_in(self._services.recorder)
        self._conversation.update(snapshot, update_text(snapshot, 0, 0.0))

    async def _beat(self) -> None:
        """Once a second: deadlines, reports to the sender, and the state of a learner who is not seen."""
        while True:
            await asyncio.sleep(BEAT_S)
            now = self._loop.time()
            verdict = self._vital_signs.verdict(now)
            if verdict is Verdict.GONE:
                self.end("silence" if self._started else "failed", resumable=True)
            elif verdict is Verdict.OLD:
                self.end("expired")
            else:
                self._receiver.report(now, self._services.media_limits.bitrate_kbps)
                self._conversation.watch()
                if verdict is Verdict.SILENT:
                    self._publish(self.session.silence(now))

    async def _close(self) -> None:
        if self._trouble is not None:
            self._trouble.cancel()
        await self._lane.close()
        reason = self.end_reason or "failed"
        final = self.session.snapshot() if self.resumable else self.session.finish(reason)
        self._conversation.say_goodbye(reason, final)
        await self._connection.flush()
        await self._connection.close()
        if self._started:
            self.session.keep_in(self._services.recorder)

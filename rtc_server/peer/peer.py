"""One live connection of a learner: everything that belongs to it begins and ends here."""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from aiortc import RTCDataChannel

from rtc_server.analysis.focus_session import FocusSession, Recorder
from rtc_server.analysis.pace import AnalysisPace
from rtc_server.analysis.pipeline import AnalyserFactory, Outcome, Pipeline
from rtc_server.analysis.pool import AnalysisPool, Lane
from rtc_server.analysis.session_states import PeerLife, PeerState
from rtc_server.channel.conversation import Conversation
from rtc_server.channel.data_channels import MESSAGES_PER_S
from rtc_server.focus.state import FocusSnapshot
from rtc_server.frame import EncodedFrame
from rtc_server.learner import Grant
from rtc_server.peer.counts import PeerCounts
from rtc_server.peer.deadlines import Deadlines, Verdict, VitalSigns
from rtc_server.record import EndReason
from rtc_server.rtp.receiver import MediaReceiver
from rtc_server.sdp.answer import write_answer
from rtc_server.sdp.offer import Offer
from rtc_server.transport import Connection, Relay
from rtc_server.transport.ice_gathering import IceGathering
from rtc_server.transport.media_allowance import MediaLimits

BEAT_S = 1.0
"""Deadlines are whole seconds, and receiver reports are due about once a second (RFC 3550, 6.2)."""
TIMER_TICK_S = 0.02
"""How often lost packets are looked after while there are any: a fraction of the round trip that a repeat takes."""

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
    deadlines: Deadlines = field(default_factory=Deadlines)
    media_limits: MediaLimits = field(default_factory=MediaLimits)
    messages_per_s: float = MESSAGES_PER_S
    """That a client may send on its data channels."""
    adaptive: bool = True
    """Look at fewer pictures while nothing changes."""
    counts: PeerCounts = field(default_factory=PeerCounts)


class Peer:
    """Implements `ConnectionEvents` and `ConversationEvents`.

    Made for an offer, it has a FocusSession from `begin` on: nothing can come from the client before its answer.
    """

    session: FocusSession
    _vital_signs: VitalSigns
    _receiver: MediaReceiver
    _conversation: Conversation
    _lane: Lane[Outcome]

    def __init__(
        self,
        peer_id: str,
        etag: str,
        grant: Grant,
        offer: Offer,
        services: PeerServices,
        client_address: str = "",
    ) -> None:
        self.peer_id = peer_id
        self.etag = etag
        self.grant = grant
        self.offer = offer
        self._loop = asyncio.get_running_loop()
        self._services = services
        self._life = PeerLife()
        self._was_connected = False
        self._over = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        relay = services.relay(client_address) if services.relay is not None else None
        self._connection = Connection(self, services.gathering, relay, services.media_limits)

    async def accept(self) -> str:
        """The answer. On any error nothing is left behind."""
        try:
            answer = await self._connection.accept(self.offer.sdp)
            return write_answer(self.offer, answer, self._services.media_limits.bitrate_kbps)
        except BaseException:
            await self.refuse()
            raise

    async def refuse(self) -> None:
        """In place of `begin`: nothing is left behind."""
        self._life.end(EndReason.FAILED)
        await self._connection.close()

    def begin(self, session: FocusSession, *, continued: bool) -> None:
        """Feed this FocusSession from now on. `run` is next."""
        services, now = self._services, self._loop.time()
        session.take(self.peer_id, now)
        self.session = session
        self._vital_signs = VitalSigns(services.deadlines, now, session.age_s, seen_before=session.seen)
        clock = session.clock.connection()
        self._receiver = MediaReceiver(
            self.offer.codec,
            self.offer.payload_type,
            clock,
            self._connection.send_rtcp,
            ssrc=random.getrandbits(32),
            counts=services.counts.packets,
        )
        self._conversation = Conversation(session, continued, self, self._loop.time, services.messages_per_s)
        self._lane = services.pool.lane(
            Pipeline(
                self.offer.codec, services.make_analyser, session, AnalysisPace(services.adaptive), services.pool.frames
            ),
            self._judged,
            self._request_keyframe,
        )

    async def run(self) -> None:
        """Lives until `end` or `lose` is called, by whomever; then closes everything."""
        try:
            async with asyncio.TaskGroup() as tasks:
                beat = tasks.create_task(self._beat())
                await self._over.wait()
                beat.cancel()
        except* Exception:
            logger.exception("a peer failed")
        finally:
            self._fail()
            await asyncio.shield(asyncio.ensure_future(self._close()))

    def end(self, reason: EndReason) -> None:
        """Ask it to end, and its FocusSession with it, unless another peer has taken that. The first reason counts."""
        self.session.end(reason, self.peer_id)
        self._end(reason)

    def lose(self, reason: EndReason) -> None:
        """Ask it to end; another peer may go on with its FocusSession."""
        if not self._life.ending:
            self.session.lose(self.peer_id, reason)
            self._end(reason)

    @property
    def idle_since(self) -> float | None:
        """Since when it is paused without having sent a picture; None where it is not so."""
        idle = self._life.state is PeerState.CONNECTED and not self._vital_signs.sent_a_frame
        return self.session.paused_since if idle else None

    @property
    def ending(self) -> bool:
        return self._life.ending

    @property
    def state(self) -> PeerState:
        return self._life.state

    @property
    def refused_packets(self) -> int:
        return self._connection.refused_packets

    @property
    def remote_host(self) -> str | None:
        return self._connection.remote_host

    # -- what the connection says

    def connected(self) -> None:
        if not self._life.connect():
            return
        self._was_connected = True
        self._vital_signs.connected(self._loop.time())
        self.session.connected(self.peer_id)

    def lost(self) -> None:
        self.lose(EndReason.FAILED)

    def failed(self, error: Exception) -> None:
        logger.error("a connection failed", exc_info=error)
        self._fail()

    def channel(self, channel: RTCDataChannel) -> None:
        self._conversation.add(channel)

    def rtp(self, packet: bytes) -> None:
        if self._life.ending:
            return
        now = self._loop.time()
        frames = self._receiver.rtp(packet, now)
        if frames:
            self._take(frames, now)
        self._tick_soon()

    def rtcp(self, packet: bytes) -> None:
        self._receiver.rtcp(packet, self._loop.time())

    # -- what the client says

    def paused(self) -> None:
        self.session.pause(self._loop.time())
        self._publish(self.session.snapshot())

    def resumed(self) -> None:
        now = self._loop.time()
        self.session.resume(now)
        self._vital_signs.resumed(now)
        self._request_keyframe()
        self._publish(self.session.snapshot())

    def calibrated(self) -> None:
        self.session.save()

    # -- what comes of its frames

    def _judged(self, outcome: Outcome) -> None:
        if self._life.ending:
            return
        if outcome.broken:
            self._fail()
            return
        if outcome.keyframe_needed:
            self._request_keyframe()
        if outcome.snapshot is not None:
            age_s = time.monotonic() - outcome.arrived
            self._conversation.update(outcome.snapshot, outcome.rtp_timestamp, server_ms=1000 * age_s)
            self._services.counts.update_age_s.observe(age_s)
            self.session.save()
        if outcome.wanted_fps is not None:
            self._conversation.ask_for_pace(outcome.wanted_fps)

    def _take(self, frames: list[EncodedFrame], now: float) -> None:
        self._vital_signs.frame(now)
        counts = self._services.pool.frames
        counts.received += len(frames)
        if self.session.paused:
            counts.dropped.add("paused", len(frames))
            return
        for frame in frames:
            self._lane.put(frame)

    def _tick(self) -> None:
        self._timer = None
        if self._life.ending:
            return
        now = self._loop.time()
        frames = self._receiver.advance(now)
        if frames:
            self._take(frames, now)
        self._tick_soon()

    def _request_keyframe(self) -> None:
        if not self._life.ending:
            self._receiver.request_keyframe(self._loop.time())
            self._tick_soon()

    def _tick_soon(self) -> None:
        if self._timer is None and self._receiver.needs_timer:
            self._timer = self._loop.call_later(TIMER_TICK_S, self._tick)

    def _publish(self, snapshot: FocusSnapshot) -> None:
        """A state that no frame led to."""
        self.session.save()
        self._conversation.update(snapshot)

    async def _beat(self) -> None:
        """Once a second: deadlines, reports to the sender, and the state of a learner who is not seen."""
        while True:
            await asyncio.sleep(BEAT_S)
            now = self._loop.time()
            verdict = self._vital_signs.verdict(now, self.session.paused_since)
            if self.session.end_reason is EndReason.REPLACED:
                self._end(EndReason.REPLACED)  # another server has gone on with it
            elif verdict is Verdict.GONE:
                self.lose(EndReason.SILENCE if self._life.state is PeerState.CONNECTED else EndReason.FAILED)
            elif verdict is Verdict.OLD:
                self.end(EndReason.EXPIRED)
            else:
                self._receiver.report(now, self._services.media_limits.bitrate_kbps)
                self._conversation.watch()
                if self.session.paused:
                    self.session.save()  # its last known second is the last one in which its server lived
                if verdict is Verdict.SILENT:
                    self._publish(self.session.silence(now))

    def _fail(self) -> None:
        if not self._life.ending:
            self.end(EndReason.FAILED)

    def _end(self, reason: EndReason) -> None:
        if self._life.end(reason):
            self._over.set()

    async def _close(self) -> None:
        if not self._was_connected and self._life.end_reason is EndReason.FAILED:
            self._services.counts.connections_failed.add(self._connection.handshake_failure or "no_connection")
        if self._timer is not None:
            self._timer.cancel()
        await self._lane.close()
        self._conversation.say_goodbye(self._life.end_reason or EndReason.FAILED, self.session.snapshot())
        await self._connection.flush()
        await self._connection.close()

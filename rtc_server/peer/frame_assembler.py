"""RTP packets become whole frames, at once when they can and never late. Pure: time comes in as an argument.

A frame leaves on its marker bit as soon as every packet up to it is here. A missing packet is asked for
again (NACK); after `give_up_s` without it all is dropped up to the next keyframe, which is asked for (PLI)
until it comes. What leaves can always be decoded: a keyframe, or the frame after the one that left before.
"""

from collections.abc import Callable
from dataclasses import dataclass

from rtc_server.media.frame import Codec, EncodedFrame
from rtc_server.peer.missing_packets import MissingPackets
from rtc_server.peer.rtp import Payload, PayloadMalformed, parse_payload

MAX_AGE_S = 0.5
"""No older frame is delivered, counted from its first packet."""
MAX_BUFFERED = 512
"""Packets held behind a gap, and packets of one frame."""
MAX_MISSING = 128
"""A longer gap is given up at once."""
MAX_EARLY = 64
"""Packets kept while no keyframe has begun: those of one that overtook its first packet."""
MAX_JUMP = 1024
"""A sequence number farther off belongs to another stream, if the packet after it agrees."""

_KEYFRAME_REPEAT_S = 0.2
_MAX_EARLY_GAP = 16


@dataclass(frozen=True, slots=True)
class Feedback:
    """What the sender should be told now."""

    missing: tuple[int, ...]
    """16-bit sequence numbers to send again, oldest first."""
    keyframe: bool


@dataclass(slots=True)
class _Packet:
    timestamp: int
    marker: bool
    payload: Payload | None
    """None: padding only."""
    arrived: float


class FrameAssembler:
    """One for each stream (SSRC)."""

    def __init__(self, codec: Codec, media_time: Callable[[int, float], float]) -> None:
        """`media_time` is given an RTP timestamp and a time of arrival, in the order of delivery."""
        self._codec = codec
        self._media_time = media_time
        self._highest: int | None = None
        self._jumped_to: int | None = None
        self._cursor: int | None = None
        """Extended sequence number of the packet that continues the frame; None until a keyframe begins."""
        self._delivered = 0
        """Below it all has been delivered or will never be."""
        self._buffer: dict[int, _Packet] = {}
        self._frame: list[_Packet] = []
        self._missing = MissingPackets()
        self._waiting_for_keyframe = True
        self._keyframe_asked: float | None = None
        self._last_picture_id: int | None = None

    @property
    def troubled(self) -> bool:
        """True while `advance` and `feedback` have something to do as time passes."""
        return self._waiting_for_keyframe or bool(self._missing)

    @property
    def highest_sequence(self) -> int | None:
        """The highest sequence number so far, extended by its cycles."""
        return self._highest

    @property
    def give_up_s(self) -> float:
        """How long a missing packet is waited for: 150 ms, or for retransmissions that take longer to come.

        Longer for a keyframe that has begun, since the next one would take longer still.
        """
        if self._waiting_for_keyframe:
            return min(max(0.15, 0.05 + 4.5 * self._missing.rtt_s), 0.45)
        return min(max(0.15, 0.05 + 3 * self._missing.rtt_s), 0.4)

    def push(self, sequence: int, timestamp: int, marker: bool, payload: bytes, now: float) -> list[EncodedFrame]:
        """Take one packet; returns the frames that are complete by it, in order."""
        newest = self._highest
        extended = self._extend(sequence)
        if extended is None:
            return []
        self._missing.found(extended, now)
        if extended in self._buffer or extended < (self._delivered if self._cursor is None else self._cursor):
            return []
        try:
            parsed = parse_payload(self._codec, payload) if payload else None
        except PayloadMalformed:
            self.lose_chain()
            return []
        if self._cursor is None:
            self._begin(extended, parsed, now)
        self._buffer[extended] = _Packet(timestamp, marker, parsed, now)
        if self._cursor is None:
            self._keep_early(newest, extended, now)
            return []
        assert self._highest is not None
        if extended > self._highest:
            self._missing.note(self._highest + 1, extended, now)
            self._highest = extended
        if len(self._missing) > MAX_MISSING or len(self._buffer) > MAX_BUFFERED or len(self._frame) > MAX_BUFFERED:
            return self._skip_gap(now)
        return self._drain(now)

    def advance(self, now: float) -> list[EncodedFrame]:
        """Time has passed: gives up what has been missing for too long. Returns frames that this sets free."""
        if self._cursor is None:
            self._missing.forget_older(now - self.give_up_s)
        elif self._missing.missed_for(self._cursor, now) >= self.give_up_s:
            return self._skip_gap(now)
        return []

    def feedback(self, now: float) -> Feedback | None:
        """What to tell the sender; each request is repeated after a while, so call it as often as you like."""
        keyframe = (
            self._waiting_for_keyframe
            and self._cursor is None
            and (self._keyframe_asked is None or now - self._keyframe_asked >= _KEYFRAME_REPEAT_S)
        )
        if keyframe:
            self._keyframe_asked = now
        missing = tuple(sequence & 0xFFFF for sequence in self._missing.due(now)) if self._missing else ()
        return Feedback(missing, keyframe) if keyframe or missing else None

    def lose_chain(self) -> None:
        """Something was lost for good, here or in the decoder: nothing but a keyframe can be used now."""
        self._buffer.clear()
        self._frame.clear()
        self._missing.clear()
        self._cursor = None
        if not self._waiting_for_keyframe:
            self._keyframe_asked = None
        self._waiting_for_keyframe = True

    # -- sequence numbers

    def _extend(self, sequence: int) -> int | None:
        if self._highest is None:
            self._highest = sequence + 0x10000
            return self._highest
        distance = (sequence - self._highest) & 0xFFFF
        if distance >= 0x8000:
            distance -= 0x10000
        if -MAX_JUMP < distance < MAX_JUMP:
            extended = self._highest + distance
            if self._cursor is None and distance > 0:
                self._highest = extended
            return extended
        if self._jumped_to != sequence:
            self._jumped_to = (sequence + 1) & 0xFFFF
            return None
        self._jumped_to = None
        self.lose_chain()
        self._highest = (self._highest | 0xFFFF) + 1 + sequence
        return self._highest

    def _keep_early(self, newest: int | None, extended: int, now: float) -> None:
        """No keyframe has begun, but its first packet may be one of those that were just lost."""
        if len(self._buffer) > MAX_EARLY:
            del self._buffer[next(iter(self._buffer))]
        if newest is not None and 1 < extended - newest <= _MAX_EARLY_GAP:
            self._missing.note(newest + 1, extended, now)

    # -- frames

    def _begin(self, first: int, payload: Payload | None, now: float) -> None:
        """While no frame can be used: start with a keyframe's first packet, if this is it."""
        if payload is None or not payload.starts_keyframe:
            return
        self._move_cursor(first)
        newest = max(self._buffer, default=first)
        self._missing.note(first + 1, newest, now, present=self._buffer)
        self._highest = max(first, newest)

    def _drain(self, now: float) -> list[EncodedFrame]:
        complete: list[EncodedFrame] = []
        while self._cursor is not None:
            packet = self._buffer.pop(self._cursor, None)
            if packet is None:
                if not self._skip_padding():
                    break
                continue
            self._cursor += 1
            if packet.payload is None:
                continue
            if self._frame and self._frame[0].timestamp != packet.timestamp:
                self._finish_frame(complete, now)
            self._frame.append(packet)
            if packet.marker:
                self._finish_frame(complete, now)
        return complete

    def _finish_frame(self, complete: list[EncodedFrame], now: float) -> None:
        packets, self._frame = self._frame, []
        payloads = [packet.payload for packet in packets if packet.payload is not None]
        keyframe = any(payload.starts_keyframe for payload in payloads)
        first = packets[0]
        if (self._waiting_for_keyframe and not keyframe) or now - first.arrived > MAX_AGE_S:
            self.lose_chain()
            return
        if not payloads[0].starts_frame:
            self.lose_chain()
            return
        self._waiting_for_keyframe = False
        self._keyframe_asked = None
        self._last_picture_id = payloads[0].picture_id
        self._delivered = self._cursor or 0
        arrived = max(packet.arrived for packet in packets) if len(packets) > 1 else first.arrived
        complete.append(
            EncodedFrame(
                data=b"".join([payload.data for payload in payloads]) if len(payloads) > 1 else payloads[0].data,
                codec=self._codec,
                keyframe=keyframe,
                rtp_timestamp=first.timestamp,
                media_time_s=self._media_time(first.timestamp, arrived),
                arrived=arrived,
            )
        )

    def _skip_padding(self) -> bool:
        """True where picture ids show that only padding is missing before the next frame."""
        if self._frame or not self._buffer or self._last_picture_id is None:
            return False
        following = min(self._buffer)
        payload = self._buffer[following].payload
        if payload is None or payload.picture_id is None or not payload.starts_frame:
            return False
        if (payload.picture_id - self._last_picture_id) % (1 << payload.picture_id_bits) != 1:
            return False
        self._move_cursor(following)
        return True

    def _skip_gap(self, now: float) -> list[EncodedFrame]:
        """Give up the frame that is not complete, and go on with the next keyframe that has begun."""
        started = self._frame[0].timestamp if self._frame else None
        keyframes = [
            sequence
            for sequence, packet in self._buffer.items()
            if packet.payload is not None and packet.payload.starts_keyframe and packet.timestamp != started
        ]
        if not keyframes or len(self._missing) > MAX_MISSING:
            self.lose_chain()
            return []
        self._frame.clear()
        self._waiting_for_keyframe = True
        self._move_cursor(min(keyframes))
        return self._drain(now)

    def _move_cursor(self, sequence: int) -> None:
        self._cursor = sequence
        self._buffer = {key: packet for key, packet in self._buffer.items() if key >= sequence}
        self._missing.forget_before(sequence)

"""Puts RTP packets together to whole frames. Pure: time comes in as an argument.

A frame is delivered as soon as all its packets up to the marker bit are here. A missing packet is asked for again
(NACK) until its frame would be too old. After one request without an answer a keyframe is asked for too (PLI). When a
whole keyframe is here, everything before it that still waits is skipped. Each delivered frame can be decoded: it is a
keyframe, or it follows the frame that was delivered before it.
"""

from dataclasses import dataclass

from rtc_server.frame import Codec
from rtc_server.rtp.held_packets import HeldPackets, Packet
from rtc_server.rtp.missing_packets import MissingPackets
from rtc_server.rtp.packet import Payload, PayloadMalformed, parse_payload
from rtc_server.rtp.packet_counts import PacketCounts
from rtc_server.rtp.partial_frame import AssembledFrame, PartialFrame
from rtc_server.rtp.sequence_numbers import MAX_JUMP, SequenceNumbers

MAX_AGE_S = 0.5
"""A frame whose first packet is older than this is not delivered."""
GIVE_UP_S = 0.45
"""How long a missing packet is waited for: after that its frame would be too old."""
STALLED_S = 0.25
"""If for so long no packet continues the keyframe or is newer than what was delivered, the numbers have jumped."""
KEYFRAME_REPEAT_S = 0.2
"""Time between two requests for a keyframe. Browsers answer at most one in 0.3 s."""
MAX_HELD = 512
"""Most packets held behind a gap, and most packets of one frame."""
MAX_MISSING = 128
"""If more packets are missing, none of them is waited for."""
MAX_EARLY = 64
"""Packets kept while no keyframe has begun. They may belong to a keyframe whose first packet comes late."""

_MAX_EARLY_GAP = 16
"""While no keyframe has begun, packets of a longer gap are not asked for."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What the sender should be told now."""

    missing: tuple[int, ...]
    """16-bit sequence numbers to send again, oldest first."""
    keyframe: bool


class FrameAssembler:
    """One for each stream (SSRC)."""

    def __init__(self, codec: Codec, counts: PacketCounts | None = None) -> None:
        self._codec = codec
        self._counts = counts or PacketCounts()
        self._numbers = SequenceNumbers()
        self._cursor: int | None = None
        """Sequence number of the packet that continues the frame; None until a keyframe begins."""
        self._delivered = 0
        """All packets before this sequence number were delivered or given up."""
        self._held = HeldPackets()
        self._frame = PartialFrame()
        self._missing = MissingPackets(self._counts)
        self._waiting_for_keyframe = True
        self._keyframe_asked: float | None = None
        self._last_picture_id: int | None = None
        self._heard = 0.0
        """When the last packet arrived that was not before the cursor."""

    @property
    def needs_timer(self) -> bool:
        """True while `advance` and `feedback` have something to do as time passes."""
        return self._waiting_for_keyframe or bool(self._missing)

    @property
    def highest_sequence(self) -> int | None:
        """The highest sequence number so far, extended by its cycles."""
        return self._numbers.highest

    def push(self, sequence: int, timestamp: int, marker: bool, payload: bytes, now: float) -> list[AssembledFrame]:
        """Take one packet; returns the frames that it completes, in order."""
        extended = self._place(sequence, now)
        if extended is None:
            return []
        silent_s, self._heard = now - self._heard, now
        try:
            parsed = parse_payload(self._codec, payload) if payload else None
        except PayloadMalformed:
            self.wait_for_keyframe()
            return []
        if self._cursor is None:
            self._begin(extended, parsed, now)
        self._held.put(extended, Packet(timestamp, marker, parsed, now))
        if self._cursor is None:
            self._keep_early(extended, now)
            return []
        lost_any = self._note_missing(extended, now)
        too_late = lost_any and silent_s + self._missing.rtt_s > MAX_AGE_S
        if len(self._missing) > MAX_MISSING:
            self.wait_for_keyframe()
        elif too_late or len(self._held) > MAX_HELD or len(self._frame) > MAX_HELD:
            self._give_up_frame()
        return self._drain(now)

    def advance(self, now: float) -> list[AssembledFrame]:
        """Give up packets that have been missing for too long; returns the frames that no longer wait for them."""
        if self._cursor is None:
            self._missing.forget_older(now - GIVE_UP_S)
            return []
        if self._cursor in self._missing:
            hopeless = self._missing.missed_for(self._cursor, now) >= GIVE_UP_S
        else:
            hopeless = self._waiting_for_keyframe and now - self._heard >= STALLED_S
        if hopeless:
            self._give_up_frame()
        return self._drain(now)

    def feedback(self, now: float) -> Feedback | None:
        """What to tell the sender now. A request is repeated only after a while, so it may be called at any rate."""
        keyframe = self._needs_keyframe(now) and (
            self._keyframe_asked is None or now - self._keyframe_asked >= KEYFRAME_REPEAT_S
        )
        if keyframe:
            self._keyframe_asked = now
            self._counts.keyframes_requested += 1
        missing = tuple(sequence & 0xFFFF for sequence in self._missing.due(now)) if self._missing else ()
        return Feedback(missing, keyframe) if keyframe or missing else None

    def wait_for_keyframe(self) -> None:
        """Drop everything: something was lost, here or in the decoder, and only a keyframe can be used now."""
        self._held.clear()
        self._frame.clear()
        self._missing.clear()
        self._cursor = None
        self._waiting_for_keyframe = True

    # -- packets

    def _place(self, sequence: int, now: float) -> int | None:
        """The extended sequence number of a packet that can be used; None for any other packet."""
        highest = self._numbers.highest
        extended = self._numbers.extend(sequence)
        if extended is None:
            return None
        if highest is not None and extended - highest >= MAX_JUMP:
            self.wait_for_keyframe()
        self._missing.found(extended, now)
        if extended in self._held:
            return None
        if extended < (self._delivered if self._cursor is None else self._cursor):
            if now - self._heard < STALLED_S:
                return None
            # The number taken for the newest was wrong: the stream goes on here, with lower numbers.
            self.wait_for_keyframe()
            self._delivered = self._numbers.highest = extended
        return extended

    def _begin(self, first: int, payload: Payload | None, now: float) -> None:
        """If this is the first packet of a keyframe, start with it."""
        if payload is None or not payload.starts_keyframe:
            return
        self._move_cursor(first)
        newest = self._held.last() or first
        # So many that more than may be missing are, whatever is held between them: that says enough.
        farthest = newest - MAX_MISSING - MAX_EARLY - 2
        self._missing.note(max(first, farthest) + 1, newest, now, present=self._held)
        self._numbers.highest = max(first, newest)

    def _keep_early(self, extended: int, now: float) -> None:
        """Keep a packet while no keyframe has begun: the keyframe's first packet may be among those just lost."""
        if len(self._held) > MAX_EARLY:
            self._held.drop_earliest()
        highest = self._numbers.highest
        assert highest is not None
        if 1 < extended - highest <= _MAX_EARLY_GAP:
            self._missing.note(highest + 1, extended, now)
            if len(self._missing) > MAX_MISSING:
                self._missing.clear()
        self._numbers.highest = max(highest, extended)

    def _note_missing(self, extended: int, now: float) -> bool:
        """True if packets before this one have not arrived."""
        highest = self._numbers.highest
        assert highest is not None
        if extended > highest:
            # One more than may be missing says enough.
            self._missing.note(max(highest, extended - MAX_MISSING - 2) + 1, extended, now)
            self._numbers.highest = extended
        return extended > highest + 1

    def _needs_keyframe(self, now: float) -> bool:
        if self._cursor is None:
            return True
        return self._missing.missed_for(self._cursor, now) >= self._missing.unsure_after_s

    # -- frames

    def _drain(self, now: float) -> list[AssembledFrame]:
        complete: list[AssembledFrame] = []
        while self._cursor is not None:
            packet = self._held.get(self._cursor)
            if packet is None:
                if not self._held or not (self._skip_padding() or self._skip_to_whole_keyframe()):
                    break
            elif packet.payload is not None and self._frame.timestamp not in (None, packet.timestamp):
                # A sender that sets no marker: the next frame's timestamp ends this frame.
                self._finish_frame(complete, now)
            else:
                self._held.drop(self._cursor)
                self._cursor += 1
                if packet.payload is not None:
                    self._frame.add(packet, packet.payload)
                    if packet.marker:
                        self._finish_frame(complete, now)
        return complete

    def _finish_frame(self, complete: list[AssembledFrame], now: float) -> None:
        decodable = self._frame.keyframe or not self._waiting_for_keyframe
        if not decodable or not self._frame.is_sound(now, MAX_AGE_S):
            self._give_up_frame()
            return
        complete.append(self._frame.joined())
        self._waiting_for_keyframe = False
        self._last_picture_id = self._frame.picture_id
        self._delivered = self._cursor or 0
        self._frame.clear()

    def _skip_padding(self) -> bool:
        """Skip missing packets that were only padding, as the picture ids show. True if that was so."""
        if self._frame or self._last_picture_id is None:
            return False
        following = self._held.first_if_after_picture(self._last_picture_id)
        if following is None:
            return False
        self._move_cursor(following)
        return True

    def _skip_to_whole_keyframe(self) -> bool:
        """Go on with a whole keyframe, and skip everything before it that still waits. True if there is one."""
        keyframe = self._held.whole_keyframe(besides=self._frame.timestamp)
        if keyframe is None:
            return False
        self._restart_at(keyframe)
        return True

    def _give_up_frame(self) -> None:
        """Go on with the next keyframe that has begun; without one, wait for a new one."""
        self._counts.frames_given_up += 1
        keyframe = self._held.begun_keyframe(besides=self._frame.timestamp)
        if keyframe is None:
            self.wait_for_keyframe()
        else:
            self._restart_at(keyframe)

    def _restart_at(self, keyframe: int) -> None:
        self._frame.clear()
        self._waiting_for_keyframe = True
        self._move_cursor(keyframe)

    def _move_cursor(self, sequence: int) -> None:
        self._cursor = sequence
        self._held.drop_before(sequence)
        self._missing.forget_before(sequence)

"""RTP packets made by hand, and a network of virtual time for them."""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rtc_server.rtp.frame_assembler import FrameAssembler
from rtc_server.rtp.partial_frame import AssembledFrame

FRAME_S = 1 / 15
KEYFRAMES_APART_S = 0.3


@dataclass(frozen=True)
class Packet:
    sequence: int
    timestamp: int
    marker: bool
    payload: bytes


@dataclass(frozen=True)
class Frame:
    """What a sender sent as one picture."""

    number: int
    keyframe: bool
    data: bytes
    packets: tuple[Packet, ...]


class Vp8Sender:
    """Cuts made-up VP8 frames into packets, with a 15-bit picture id in each."""

    def __init__(self, sequence: int = 65_530, timestamp: int = 0xFFFF_FF00, picture_id: int = 32_766) -> None:
        self.sequence = sequence
        self.timestamp = timestamp
        self.picture_id = picture_id
        self.frames: list[Frame] = []

    def frame(self, packets: int = 3, *, keyframe: bool = False) -> Frame:
        number = len(self.frames)
        # RFC 6386, 9.1: the lowest bit of a frame is 0 for a keyframe.
        parts = [bytes([0 if keyframe else 1]) + f"frame {number}.0|".encode()]
        parts += [f"frame {number}.{part}|".encode() for part in range(1, packets)]
        made = []
        for index, part in enumerate(parts):
            descriptor = bytes([0x90 if index == 0 else 0x80, 0x80]) + (self.picture_id | 0x8000).to_bytes(2, "big")
            made.append(Packet(self.sequence, self.timestamp, index == packets - 1, descriptor + part))
            self.sequence = (self.sequence + 1) & 0xFFFF
        self.timestamp = (self.timestamp + 6000) & 0xFFFF_FFFF
        self.picture_id = (self.picture_id + 1) & 0x7FFF
        frame = Frame(number, keyframe, b"".join(parts), tuple(made))
        self.frames.append(frame)
        return frame

    def padding(self) -> Packet:
        packet = Packet(self.sequence, (self.timestamp - 6000) & 0xFFFF_FFFF, False, b"")
        self.sequence = (self.sequence + 1) & 0xFFFF
        return packet


def push(assembler: FrameAssembler, packets: Sequence[Packet], now: float) -> list[AssembledFrame]:
    frames = []
    for packet in packets:
        frames += assembler.push(packet.sequence, packet.timestamp, packet.marker, packet.payload, now)
    return frames


@dataclass
class Delivery:
    at: float
    frame: AssembledFrame


class Network:
    """Delivers packets to an assembler in virtual time, and answers its requests as a browser would.

    That is: no packet is sent again within a round trip, and no keyframe is made within 0.3 s of the one before.
    """

    def __init__(
        self,
        fate: Callable[[int], Sequence[float]],
        *,
        round_trip_s: float = 0.06,
        feedback_gets_through: Callable[[int], bool] = lambda _: True,
    ) -> None:
        """`fate`: for the n-th packet sent, the delays at which its copies arrive; none: it is lost."""
        self.sender = Vp8Sender()
        self.assembler = FrameAssembler("vp8")
        self.delivered: list[Delivery] = []
        self.keyframe_requests: list[float] = []
        self._fate = fate
        self._half_s = round_trip_s / 2
        self._gets_through = feedback_gets_through
        self._sent = 0
        self._asked = 0
        self._keyframe_wanted = True
        self._keyframe_heeded = 0.0
        self._sent_again: dict[int, float] = {}
        self._by_sequence: dict[int, Packet] = {}
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = 0

    def run(self, frames: int, packets_in: Callable[[int], int] = lambda _: 3) -> None:
        for number in range(frames):
            self._at(number * FRAME_S, lambda now, n=number: self._send_frame(packets_in(n), now))
        end = frames * FRAME_S + 1.0
        for step in range(int(end / 0.02)):
            self._at(step * 0.02, self._tick)
        while self._events:
            now, _, action = heapq.heappop(self._events)
            action(now)

    def _at(self, time: float, action: Callable[[float], None]) -> None:
        self._order += 1
        heapq.heappush(self._events, (time, self._order, action))

    def _send_frame(self, packets: int, now: float) -> None:
        frame = self.sender.frame(packets, keyframe=self._keyframe_wanted)
        self._keyframe_wanted = False
        for packet in frame.packets:
            self._by_sequence[packet.sequence] = packet
            self._send(packet, now)

    def _send(self, packet: Packet, now: float) -> None:
        self._sent += 1
        for delay in self._fate(self._sent - 1):
            self._at(now + self._half_s + delay, lambda at: self._arrive(packet, at))

    def _arrive(self, packet: Packet, now: float) -> None:
        self._take(push(self.assembler, [packet], now), now)

    def _tick(self, now: float) -> None:
        self._take(self.assembler.advance(now), now)

    def _take(self, frames: list[AssembledFrame], now: float) -> None:
        self.delivered += [Delivery(now, frame) for frame in frames]
        feedback = self.assembler.feedback(now)
        if feedback is None:
            return
        if feedback.keyframe:
            self.keyframe_requests.append(now)
        self._asked += 1
        if self._gets_through(self._asked - 1):
            self._at(now + self._half_s, lambda at: self._hear(feedback.missing, feedback.keyframe, at))

    def _hear(self, missing: tuple[int, ...], keyframe: bool, now: float) -> None:
        for sequence in missing:
            if sequence in self._by_sequence and now - self._sent_again.get(sequence, -1.0) >= 2 * self._half_s:
                self._sent_again[sequence] = now
                self._send(self._by_sequence[sequence], now)
        if keyframe and now - self._keyframe_heeded >= KEYFRAMES_APART_S:
            self._keyframe_heeded = now
            self._keyframe_wanted = True

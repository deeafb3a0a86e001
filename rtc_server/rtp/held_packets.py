"""Packets that came before the one that is to continue the frame. Pure."""

from dataclasses import dataclass

from rtc_server.rtp.packet import Payload


@dataclass(slots=True)
class Packet:
    timestamp: int
    marker: bool
    payload: Payload | None
    """None: padding only."""
    arrived: float


@dataclass(slots=True)
class _Keyframe:
    first: int
    reach: int
    """Up to and without this one all its packets are here."""


class HeldPackets:
    """By extended sequence number."""

    def __init__(self) -> None:
        self._packets: dict[int, Packet] = {}
        self._keyframes: dict[int, _Keyframe] = {}
        """By timestamp, in the order in which they began to arrive."""

    def __len__(self) -> int:
        return len(self._packets)

    def __contains__(self, sequence: object) -> bool:
        return sequence in self._packets

    def put(self, sequence: int, packet: Packet) -> None:
        self._packets[sequence] = packet
        if packet.payload is not None and packet.payload.starts_keyframe:
            begun = self._keyframes.get(packet.timestamp)
            if begun is None or sequence < begun.first:
                self._keyframes[packet.timestamp] = _Keyframe(sequence, sequence)

    def get(self, sequence: int) -> Packet | None:
        return self._packets.get(sequence)

    def drop(self, sequence: int) -> None:
        packet = self._packets.pop(sequence)
        if self._keyframes:
            self._keyframes.pop(packet.timestamp, None)

    def first_if_after_picture(self, picture_id: int) -> int | None:
        """The lowest number, if it is that of the first packet of the frame after this one."""
        sequence = min(self._packets, default=None)
        payload = self._packets[sequence].payload if sequence is not None else None
        if payload is None or payload.picture_id is None or not payload.starts_frame:
            return None
        return sequence if (payload.picture_id - picture_id) % (1 << payload.picture_id_bits) == 1 else None

    def last(self) -> int | None:
        return max(self._packets, default=None)

    def begun_keyframe(self, *, besides: int | None) -> int | None:
        """Where the first keyframe begins that has not the timestamp `besides`."""
        return min((one.first for timestamp, one in self._keyframes.items() if timestamp != besides), default=None)

    def whole_keyframe(self, *, besides: int | None) -> int | None:
        """Where the last keyframe begins that is here up to its marker and has not the timestamp `besides`."""
        for timestamp, keyframe in reversed(self._keyframes.items()):
            if timestamp != besides and self._is_whole(timestamp, keyframe):
                return keyframe.first
        return None

    def drop_before(self, sequence: int) -> None:
        self._packets = {key: packet for key, packet in self._packets.items() if key >= sequence}
        self._keyframes = {at: keyframe for at, keyframe in self._keyframes.items() if keyframe.first >= sequence}

    def drop_earliest(self) -> None:
        """The one that has been here longest."""
        self.drop(next(iter(self._packets)))

    def clear(self) -> None:
        self._packets.clear()
        self._keyframes.clear()

    def _is_whole(self, timestamp: int, keyframe: _Keyframe) -> bool:
        while (packet := self._packets.get(keyframe.reach)) is not None and packet.timestamp == timestamp:
            if packet.marker:
                return True
            keyframe.reach += 1
        return False

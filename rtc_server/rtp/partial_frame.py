"""A frame whose packets are still arriving. Pure."""

from dataclasses import dataclass

from rtc_server.frame import TemporalLayer
from rtc_server.rtp.held_packets import Packet
from rtc_server.rtp.packet import Payload


@dataclass(frozen=True, slots=True)
class AssembledFrame:
    """A whole frame, as it was received."""

    data: bytes
    """One access unit: a VP8 frame, or H.264 in Annex B form."""
    keyframe: bool
    rtp_timestamp: int
    """As sent: 32 bits, 90 kHz."""
    arrived: float
    """When its last packet arrived. Monotonic clock, seconds."""
    layer: TemporalLayer


class PartialFrame:
    """The packets of the frame so far, in order, without padding."""

    def __init__(self) -> None:
        self._parts: list[tuple[Packet, Payload]] = []

    def __len__(self) -> int:
        return len(self._parts)

    @property
    def timestamp(self) -> int | None:
        return self._parts[0][0].timestamp if self._parts else None

    @property
    def picture_id(self) -> int | None:
        return self._parts[0][1].picture_id if self._parts else None

    @property
    def keyframe(self) -> bool:
        return any(payload.starts_keyframe for _, payload in self._parts)

    def add(self, packet: Packet, payload: Payload) -> None:
        self._parts.append((packet, payload))

    def is_sound(self, now: float, max_age_s: float) -> bool:
        """Whether its first packet can start a frame and is not older than `max_age_s`."""
        packet, payload = self._parts[0]
        return payload.starts_frame and now - packet.arrived <= max_age_s

    def joined(self) -> AssembledFrame:
        parts = self._parts
        return AssembledFrame(
            data=b"".join([payload.data for _, payload in parts]) if len(parts) > 1 else parts[0][1].data,
            keyframe=self.keyframe,
            rtp_timestamp=parts[0][0].timestamp,
            arrived=max(packet.arrived for packet, _ in parts) if len(parts) > 1 else parts[0][0].arrived,
            layer=parts[0][1].layer,
        )

    def clear(self) -> None:
        self._parts.clear()

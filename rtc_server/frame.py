"""A video frame as it came from the network, whole and still encoded."""

from dataclasses import dataclass
from typing import Literal

Codec = Literal["vp8", "h264"]


@dataclass(frozen=True, slots=True)
class TemporalLayer:
    """A frame's place in a stream of which a part can be left out (RFC 7741, 4.2)."""

    index: int = 0
    """TID. No frame builds on one of a higher layer."""
    synchronised: bool = False
    """Y: the frame builds on the base layer alone."""


BASE_LAYER = TemporalLayer()
"""Of every frame, where the sender says nothing of layers."""


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    data: bytes
    """One access unit: a VP8 frame, or H.264 in Annex B form."""
    keyframe: bool
    rtp_timestamp: int
    """As sent: 32 bits, 90 kHz."""
    media_time_s: float
    """Unwrapped RTP time from the start of the FocusSession."""
    arrived: float
    """Monotonic clock, seconds: when its last packet came."""
    layer: TemporalLayer = BASE_LAYER

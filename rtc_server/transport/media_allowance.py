"""How much media a client may send, from all its addresses together. Pure."""

from dataclasses import dataclass

from rtc_server.token_bucket import TokenBucket

MAX_PACKETS_PER_S = 600.0
"""A camera at a megabit a second sends 110."""
MAX_BITRATE_KBPS = 300
"""A face in 640x480 at 15 frames a second is judged as well at 250, which our own page keeps to, as at any more. A
browser that is asked for nothing sends a megabit."""
TOLERANCE = 6.0
"""How many times what it is asked to keep to a client may send: encoders overshoot, and FFmpeg and OBS know only what
they were set to, which is a megabit or two."""
BURST_S = 2.0
"""What may come at once, as seconds at the full rate: a keyframe, or all that waited in a network that stalled."""


@dataclass(frozen=True, slots=True)
class MediaLimits:
    packets_per_s: float = MAX_PACKETS_PER_S
    bitrate_kbps: int = MAX_BITRATE_KBPS
    """What a client is asked to keep to. What comes past TOLERANCE times as much is dropped."""


class MediaAllowance:
    """Who sends more than is allowed loses pictures of their own, and takes nothing from anybody else."""

    def __init__(self, limits: MediaLimits) -> None:
        bytes_per_s = TOLERANCE * limits.bitrate_kbps * 1000 / 8
        self._packets = TokenBucket(limits.packets_per_s, BURST_S * limits.packets_per_s)
        self._bytes = TokenBucket(bytes_per_s, BURST_S * bytes_per_s)
        self.dropped_packets = 0

    def take(self, size: int, now: float) -> bool:
        """False for a packet of `size` bytes that is too much, which is counted."""
        if self._packets.take(now) and self._bytes.take(now, size):
            return True
        self.dropped_packets += 1
        return False

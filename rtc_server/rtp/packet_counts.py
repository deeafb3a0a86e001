"""What became of packets. Pure: plain numbers, for one server or one connection."""

from dataclasses import dataclass


@dataclass(slots=True)
class PacketCounts:
    """Since the server began. Use it from one thread."""

    received: int = 0
    """Media packets of the negotiated stream."""
    missing: int = 0
    """Packets that were not there when a later one came: lost, or late."""
    repaired: int = 0
    """Missing packets that came after they were asked for again."""
    late: int = 0
    """Missing packets that came by themselves."""
    keyframes_requested: int = 0
    """Requests for a keyframe that were sent (PLI)."""
    frames_given_up: int = 0
    """Frames that had begun and could not be completed."""

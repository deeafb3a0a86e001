"""So that a rival's update can name its frame by the RTP timestamp it was sent with."""

from aiortc import rtcrtpreceiver


class _AsSent:
    def map(self, timestamp: int) -> int:
        return timestamp


def keep_rtp_timestamps() -> None:
    """From now on a received frame's `pts` is its RTP timestamp. Costs and changes nothing else."""
    rtcrtpreceiver.TimestampMapper = _AsSent

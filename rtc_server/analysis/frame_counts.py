"""What became of the frames that peers sent."""

from rtc_server.tally import Tally


class FrameCounts:
    """Of all peers since the server began."""

    def __init__(self) -> None:
        self.received = 0
        """Whole frames. Counted on the event loop only."""
        self.dropped = Tally(("paused", "overload", "waiting_for_keyframe", "undecodable", "failed", "ended"))
        """paused: the learner has paused. overload: more than this peer may send, or than the processors manage.
        waiting_for_keyframe: after one of the others, up to the next keyframe. undecodable: damaged. failed: by a bug.
        ended: the peer ended before its turn came."""

"""What was sent to one sink since the server began, and what waits for it in the database."""

from rtc_server.event import SinkName
from rtc_server.tally import Histogram, Tally

_SEND_BOUNDS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""A receiver nearby answers in milliseconds; after SEND_WITHIN_S nobody waits for it."""


class DeliveryCounts:
    def __init__(self) -> None:
        self.delivered = Tally(SinkName)
        self.failed = Tally(SinkName)
        """Attempts, not events."""
        self.send_s = Histogram(_SEND_BOUNDS_S)
        """Seconds for each attempt, whether it succeeded or not."""
        self.waiting: dict[str, int] = dict.fromkeys(SinkName, 0)
        """Events in the database, of all servers, when it was last looked at."""
        self.dead: dict[str, int] = dict.fromkeys(SinkName, 0)

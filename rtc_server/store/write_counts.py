"""How the database takes what is written."""

from rtc_server.tally import Histogram

_WRITE_BOUNDS_S = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)
"""A write takes milliseconds, and is broken off after 15 s."""


class WriteCounts:
    """Since the server began."""

    def __init__(self) -> None:
        self.write_s = Histogram(_WRITE_BOUNDS_S)
        """Seconds for each transaction, whether it succeeded or not."""
        self.writes_failed = 0
        self.sessions_lost = 0
        """Sessions that were dropped because too many waited."""

"""How many pictures were looked at, and how long that takes."""

from rtc_server.tally import Histogram, Tally

_DECODE_BOUNDS_S = (0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128)
"""640x480 in VP8 takes 0.7 ms of an idle processor."""
_ANALYSIS_BOUNDS_S = (0.001, 0.002, 0.003, 0.004, 0.006, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256)
"""One face takes 2.5 ms of an idle processor."""


class LookCounts:
    """Of all streams since the server began."""

    def __init__(self) -> None:
        self.decode_s = Histogram(_DECODE_BOUNDS_S)
        """Seconds for each frame that was decoded."""
        self.analysis_s = Histogram(_ANALYSIS_BOUNDS_S)
        """Seconds for each picture that was looked at."""
        self.skipped = Tally(("still", "newer", "hidden", "upper_layer"))
        """still: hardly different from the one before. newer: the next one was there already. hidden: a frame that is
        not meant to be shown. upper_layer: it was not even decoded, because nothing needed it."""

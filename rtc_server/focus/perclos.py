"""PERCLOS: the share of the last minute with lids at least 80 % closed (Wierwille et al. 1994)."""

from collections import deque

WINDOW_S = 60.0
CLOSED_OPENNESS = 0.2
MIN_KNOWN_S = 20.0
"""Before so much of the last minute was seen, one blink more or less would say anything."""


class Perclos:
    """Running over frames with visible eyes."""

    def __init__(self) -> None:
        self._frames: deque[tuple[float, float, bool]] = deque()
        self._known_s = 0.0
        self._closed_s = 0.0

    def add(self, at_s: float, seconds: float, openness: float) -> None:
        """The eyes were this open for `seconds`, up to `at_s`."""
        closed = openness <= CLOSED_OPENNESS
        self._frames.append((at_s, seconds, closed))
        self._known_s += seconds
        self._closed_s += seconds if closed else 0.0
        while self._frames[0][0] <= at_s - WINDOW_S:
            _, old, was_closed = self._frames.popleft()
            self._known_s -= old
            self._closed_s -= old if was_closed else 0.0

    @property
    def share(self) -> float | None:
        """0 to 1; None before enough was seen."""
        return max(0.0, self._closed_s) / self._known_s if self._known_s >= MIN_KNOWN_S else None

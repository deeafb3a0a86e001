"""How much of a worker is in use: the largest of its places, its analysis threads, and how late its loop is."""

from collections import deque
from collections.abc import Callable

NEWCOMER_S = 20.0
"""So long a newcomer is counted beside the measured use: it takes a while until that shows what one costs."""
SMOOTHED_OVER_S = 3.0
LATE_S = 0.1
"""A loop that is so late is fully used: an update is then late by more than a person sees."""


class Stress:
    """Ask it now and then; each answer is a mean of about the last three seconds."""

    def __init__(self, *, busy_s: Callable[[], float], threads: int, capacity: int) -> None:
        """busy_s: seconds that the analysis threads have worked, all together, since they began."""
        self._busy_s = busy_s
        self._threads = threads
        self._capacity = capacity
        self._newcomers: deque[float] = deque()
        self._at: float | None = None
        self._last_busy_s = 0.0
        self._use = 0.0
        self._late = 0.0

    def newcomer(self, now: float) -> None:
        """now: monotonic, as everywhere here."""
        self._newcomers.append(now)

    def measure(self, now: float, peers: int, late_s: float) -> float:
        """From 0 to 1 and above. late_s: how much later than planned the loop came to this."""
        while self._newcomers and self._newcomers[0] < now - NEWCOMER_S:
            self._newcomers.popleft()
        busy_s = self._busy_s()
        if self._at is not None and now > self._at:
            passed_s = now - self._at
            weight = min(1.0, passed_s / SMOOTHED_OVER_S)
            use = (busy_s - self._last_busy_s) / (passed_s * self._threads)
            self._use += weight * (use - self._use)
            self._late += weight * (late_s / LATE_S - self._late)
        self._at, self._last_busy_s = now, busy_s
        newcomers = len(self._newcomers) / self._capacity
        return max(peers / self._capacity, self._use + newcomers, self._late)

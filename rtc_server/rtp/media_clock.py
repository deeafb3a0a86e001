"""RTP timestamps become media time. Pure.

Media time runs from the first picture of a FocusSession, by the sender's clock as long as that is believable.
It may not run away from the time that really passed: a sender whose timestamps jump, restart or run too fast
would earn time that never was. So a FocusSession has one MediaClock with one beginning in real time, and each
connection measures its timestamps against that: over all connections, media time is never more than MAX_AHEAD_S
ahead of real time. Past the bounds the two are set equal again.
"""

CLOCK_RATE = 90_000
"""Of every video payload (RFC 7741, RFC 6184), in Hz."""
MAX_AHEAD_S = 3.0
"""The first picture may come late and those after it in time: the bursts of a bad network last so long."""
MAX_BEHIND_S = 5.0
"""Pictures may wait in a congested network; for longer than this nobody is seen anyway (`silence_unknown_s`)."""


class MediaClock:
    """One for each FocusSession. Moments are of the monotonic clock."""

    def __init__(self, not_before: float = float("-inf")) -> None:
        """`not_before`: its beginning is not earlier, whenever the first picture comes."""
        self.not_before = not_before
        self._began: float | None = None
        self._last_s = 0.0
        self._last_moment = 0.0
        """When media time was `_last_s`."""

    def connection(self) -> "ConnectionClock":
        """For the timestamps of one more connection."""
        return ConnectionClock(self)

    def passed_s(self, now: float) -> float:
        """Real time since the beginning; the first call sets that. Negative before `not_before`."""
        if self._began is None:
            self._began = self._last_moment = max(now, self.not_before)
        return now - self._began

    def advance(self, media_s: float, now: float) -> float:
        """Set forward to `media_s`, never back. Returns what it shows."""
        self._last_s = max(self._last_s, media_s)
        self._last_moment = max(self._last_moment, now)
        return self._last_s

    def now(self, now: float) -> float:
        """Media time at a moment without a frame."""
        return self._last_s if self._began is None else self._last_s + max(0.0, now - self._last_moment)

    def caught_up_at(self, now: float) -> float:
        """When real time will have caught up with media time, if nothing more comes; `now` if it has."""
        return now if self._began is None else max(now, self._began + self.now(now))


class ConnectionClock:
    """Stamps the frames of one connection."""

    def __init__(self, clock: MediaClock) -> None:
        self._clock = clock
        self._last_timestamp: int | None = None
        self._unwrapped = 0
        self._offset_s = 0.0

    def at(self, rtp_timestamp: int, arrived: float) -> float:
        """Media time of a frame. Never less than that of the frame before, whichever connection that came by."""
        passed_s = self._clock.passed_s(arrived)
        if self._last_timestamp is None:
            self._last_timestamp = rtp_timestamp
            self._offset_s = passed_s
        step = (rtp_timestamp - self._last_timestamp) & 0xFFFFFFFF
        self._unwrapped += step if step < 0x80000000 else step - 0x100000000
        self._last_timestamp = rtp_timestamp
        media_s = self._unwrapped / CLOCK_RATE + self._offset_s
        if not -MAX_BEHIND_S <= media_s - passed_s <= MAX_AHEAD_S:
            self._offset_s += passed_s - media_s
            media_s = passed_s
        return self._clock.advance(media_s, arrived)

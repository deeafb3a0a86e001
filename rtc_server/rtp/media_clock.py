"""Turns RTP timestamps into media time. Pure.

Media time begins with the first picture of a FocusSession and follows the sender's clock. It must stay near real time:
a sender whose timestamps jump, restart or run too fast would otherwise earn time that never passed. So each
FocusSession has one MediaClock with one beginning in real time, for all its connections. Media time is never more than
MAX_AHEAD_S ahead of real time or MAX_BEHIND_S behind it; beyond that it is set to real time.
"""

CLOCK_RATE = 90_000
"""RTP clock rate of all video payloads (RFC 7741, RFC 6184), in Hz."""
MAX_AHEAD_S = 3.0
"""If the first picture arrives late and the next ones in time, media time is ahead: by as much as a bad network's
longest bursts."""
MAX_BEHIND_S = 5.0
"""Pictures may be late in a congested network. After 5 s without one the state is unknown (`silence_unknown_s`)."""


class MediaClock:
    """One for each FocusSession. `now` and other moments are of the monotonic clock."""

    def __init__(self, not_before: float = float("-inf")) -> None:
        """`not_before`: earliest beginning, even if the first picture arrives before it."""
        self.not_before = not_before
        self._began: float | None = None
        self._last_s = 0.0
        self._last_moment = 0.0
        """The moment when media time was `_last_s`."""

    @classmethod
    def going_on(cls, began: float, media_s: float, moment: float) -> "MediaClock":
        """Goes on from another process's clock, which began at `began` and stood at `media_s` at `moment`."""
        clock = cls()
        clock._began, clock._last_s, clock._last_moment = began, media_s, moment
        return clock

    @property
    def began(self) -> float | None:
        """The moment of media time 0; None before the first picture."""
        return self._began

    def connection(self) -> "ConnectionClock":
        """A clock for the timestamps of one more connection."""
        return ConnectionClock(self)

    def passed_s(self, now: float) -> float:
        """Real time since the beginning; negative before `not_before`. The first call sets the beginning."""
        if self._began is None:
            self._began = self._last_moment = max(now, self.not_before)
        return now - self._began

    def advance(self, media_s: float, now: float) -> float:
        """Set media time to `media_s`, but never back. Returns the media time."""
        self._last_s = max(self._last_s, media_s)
        self._last_moment = max(self._last_moment, now)
        return self._last_s

    def now(self, now: float) -> float:
        """Media time at a moment without a frame."""
        return self._last_s if self._began is None else self._last_s + max(0.0, now - self._last_moment)

    def caught_up_at(self, now: float) -> float:
        """The moment when real time reaches media time, if no more frames arrive; `now` if it has already."""
        return now if self._began is None else max(now, self._began + self.now(now))


class ConnectionClock:
    """Stamps the frames of one connection."""

    def __init__(self, clock: MediaClock) -> None:
        self._clock = clock
        self._last_timestamp: int | None = None
        self._unwrapped = 0
        self._offset_s = 0.0

    def at(self, rtp_timestamp: int, arrived: float) -> float:
        """Media time of a frame. Never less than that of the frame before, on this or another connection."""
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

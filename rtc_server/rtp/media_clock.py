"""RTP timestamps become media time. Pure."""

CLOCK_RATE = 90_000
"""Of every video payload (RFC 7741, RFC 6184), in Hz."""
MAX_AHEAD_S = 3.0
MAX_BEHIND_S = 5.0


class MediaClock:
    """Seconds from the start of the FocusSession, by the sender's clock as long as that is believable.

    Media time may not run away from the time that really passed: a sender whose timestamps jump, restart or
    run too fast would earn time that never was. Past the bounds the two are set equal again.
    """

    def __init__(self, starts_at_s: float = 0.0, since: float | None = None) -> None:
        """`since`: the monotonic time at which it was `starts_at_s`; without it, that of the first frame."""
        self._starts_at_s = starts_at_s
        self._since = since
        self._last_timestamp: int | None = None
        self._unwrapped = 0
        self._offset_s = 0.0
        self._last_s = starts_at_s
        self._last_arrived = since

    def at(self, rtp_timestamp: int, arrived: float) -> float:
        """Media time of a frame. Never less than that of the frame before."""
        if self._since is None:
            self._since = arrived
        passed_s = arrived - self._since
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
        self._last_s = max(self._last_s, self._starts_at_s + media_s)
        self._last_arrived = arrived
        return self._last_s

    def now(self, now: float) -> float:
        """Media time at a moment without a frame."""
        return self._last_s if self._last_arrived is None else self._last_s + max(0.0, now - self._last_arrived)

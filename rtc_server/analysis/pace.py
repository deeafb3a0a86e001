"""How often one peer's pictures are looked at, and how many it should send. Pure."""

from rtc_server.focus.state import FocusSnapshot, FocusState, GazeDirection, Reason

FULL_FPS = 15.0
"""What a page sends by default: enough to tell a blink from closed eyes."""
QUIET_FPS = 10.0
"""What a page is asked to send while nothing changes."""
MAX_STILL_S = 0.57
"""The longest that still pictures are not looked at: at 15, 10 and 5 frames a second, five looks in three seconds."""
NEWS_S = 0.19
"""The longest that nothing is said of still pictures, and that a picture waits: five updates a second."""
SPARSE_S = 0.15
"""A sender whose pictures are further apart has slowed down by itself, as our page does while nothing moves. None of
them waits for the next, and the first that comes sooner is looked at: the page has seen something move."""
STABLE_AFTER_S = 2.0
"""The same answer for so long is no accident: longer than the judgement takes to change its mind."""
QUIET_AFTER_S = 6.0
"""Asking a page for another rate costs it a moment, so only what has lasted is worth it."""


class AnalysisPace:
    """Full rate while things change; while the answer stays the same, still pictures may be skipped."""

    def __init__(self, adaptive: bool) -> None:
        self._adaptive = adaptive
        self._answer: tuple[FocusState, Reason, GazeDirection, int] | None = None
        self._since_s = 0.0
        self._looked_s = self._told_s = 0.0
        self._changing = False
        self._received_s = 0.0
        """When the newest frame came, in media time."""
        self._sparse = False
        """It came so long after the one before."""

    def received(self, media_time_s: float) -> None:
        """A frame came, looked at or not."""
        self._sparse = media_time_s - self._received_s > SPARSE_S
        self._received_s = media_time_s

    def may_skip(self, media_time_s: float) -> bool:
        """True where a frame of this media time need not be looked at if it shows nothing new."""
        sooner = self._sparse and media_time_s - self._received_s <= SPARSE_S
        return self._stable and media_time_s - self._looked_s < MAX_STILL_S and not sooner

    def may_wait(self, media_time_s: float, *, upper_layer: bool = False) -> bool:
        """True where nothing has to be said of such a frame, and the next one comes soon.

        upper_layer: the next one does not build on it, and is decoded for less without it.
        """
        soon = not self._sparse and media_time_s - self._received_s <= SPARSE_S
        return self._stable and soon and (upper_layer or not self.news_is_due(media_time_s))

    def news_is_due(self, media_time_s: float) -> bool:
        """True where something should be said of a frame of this media time, even if it shows nothing new."""
        return media_time_s - self._told_s >= NEWS_S

    def told(self, snapshot: FocusSnapshot, *, looked: bool) -> None:
        """looked: whether a frame was looked at, or showed nothing new."""
        answer = (snapshot.state, snapshot.reason, snapshot.gaze_direction, snapshot.face_count)
        if answer != self._answer:
            self._answer = answer
            self._since_s = snapshot.media_time_s
        self._told_s = snapshot.media_time_s
        if looked:
            self._looked_s = snapshot.media_time_s
        self._changing = snapshot.changing

    @property
    def wanted_fps(self) -> float:
        """How many frames a second are worth sending now."""
        quiet = self._adaptive and self._told_s - self._since_s >= QUIET_AFTER_S
        return QUIET_FPS if quiet else FULL_FPS

    @property
    def _stable(self) -> bool:
        return self._adaptive and not self._changing and self._told_s - self._since_s >= STABLE_AFTER_S

"""How often one peer's pictures are looked at, and how many it should send. Pure."""

from rtc_server.focus.state import FocusSnapshot, FocusState, GazeDirection, Reason

FULL_FPS = 15.0
"""What a page sends by default: enough to tell a blink from closed eyes."""
QUIET_FPS = 10.0
"""What a page is asked to send while nothing changes."""
MAX_STILL_S = 0.19
"""The longest that still pictures are not looked at: at 15 and at 10 frames a second that makes 5 looks a second."""
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
        self._observed_s = 0.0
        self._changing = False

    def may_skip(self, media_time_s: float) -> bool:
        """True where a frame of this media time need not be looked at if it shows nothing new."""
        return (
            self._adaptive
            and not self._changing
            and self._observed_s - self._since_s >= STABLE_AFTER_S
            and media_time_s - self._observed_s < MAX_STILL_S
        )

    def observed(self, snapshot: FocusSnapshot) -> None:
        answer = (snapshot.state, snapshot.reason, snapshot.gaze_direction, snapshot.face_count)
        if answer != self._answer:
            self._answer = answer
            self._since_s = snapshot.media_time_s
        self._observed_s = snapshot.media_time_s
        self._changing = snapshot.changing

    @property
    def wanted_fps(self) -> float:
        """How many frames a second are worth sending now."""
        quiet = self._adaptive and self._observed_s - self._since_s >= QUIET_AFTER_S
        return QUIET_FPS if quiet else FULL_FPS

"""The page's dots, told to the judgement in their order, and what came of them, told to the page."""

from collections.abc import Callable
from datetime import UTC, datetime

from rtc_server.analysis.focus_session import FocusSession
from rtc_server.channel.messages import (
    CalibrationCancel,
    CalibrationDrift,
    CalibrationMessage,
    CalibrationPoint,
    CalibrationResult,
    CalibrationStart,
    ErrorMessage,
    Message,
)
from rtc_server.errors import CalibrationFailed
from rtc_server.focus.calibration import Quality

MAX_POINTS = 16
"""Of one calibration; a page shows five or six."""


class CalibrationDialogue:
    """One peer's side of `calibration_start`, `calibration_point` and so on. Use it from the event loop."""

    def __init__(self, session: FocusSession, tell: Callable[[Message], None]) -> None:
        self._session = session
        self._tell = tell
        self._points: int | None = None
        """How many have been shown; None outside a calibration."""
        self._drift_told = False

    def heard(self, message: CalibrationMessage) -> bool:
        """True where a calibration was accepted, so that there is something to store."""
        if isinstance(message, CalibrationStart):
            self._begin()
        elif isinstance(message, CalibrationCancel):
            self.cancel()
        elif self._points is None:
            self._refuse("A calibration begins with calibration_start.")
        elif isinstance(message, CalibrationPoint):
            self._show(message, self._points)
        else:
            return self._finish()
        return False

    def cancel(self) -> None:
        """The calibration is broken off; what was seen of it is forgotten."""
        if self._points is not None:
            self._points = None
            self._session.cancel_calibration()

    def watch(self) -> None:
        """Call it now and then: says once, after each calibration, that it does not hold any more."""
        if not self._drift_told and self._session.calibration_drifted:
            self._drift_told = True
            self._tell(CalibrationDrift(timestamp=datetime.now(UTC)))

    def _begin(self) -> None:
        self.cancel()
        if self._session.paused:
            self._refuse("Nothing is looked at while paused: resume first.")
        else:
            self._points = 0

    def _show(self, point: CalibrationPoint, shown: int) -> None:
        if shown == MAX_POINTS:
            self._refuse(f"A calibration has no more than {MAX_POINTS} points.")
        else:
            self._points = shown + 1
            self._session.look_at(point.x, point.y)

    def _finish(self) -> bool:
        self._points = None
        now = datetime.now(UTC)
        try:
            calibration = self._session.finish_calibration()
        except CalibrationFailed as error:
            self._tell(CalibrationResult(accepted=False, quality=Quality.POOR, message=str(error), timestamp=now))
            return False
        accepted = calibration.quality is not Quality.POOR
        if accepted:
            self._drift_told = False
        self._tell(
            CalibrationResult(
                accepted=accepted,
                quality=calibration.quality,
                error_deg=round(calibration.error_deg, 1),
                message="" if accepted else "The gaze followed the dots too roughly.",
                timestamp=now,
            )
        )
        return accepted

    def _refuse(self, message: str) -> None:
        self._tell(ErrorMessage(code="calibration_refused", message=message, timestamp=datetime.now(UTC)))

"""What is said over the data channels. Versioned; a new field is allowed, a changed one is a new version.

`focus` (unordered, no retransmits) carries updates; `control` (reliable, ordered), where the client
opened one, carries everything else. The fields above `state` are those of the page this replaces.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from rtc_server.focus.calibration import Quality
from rtc_server.focus.state import FocusState, GazeDirection, Reason, Totals
from rtc_server.record import EndReason

VERSION: Literal[1] = 1
MAX_MESSAGE_BYTES = 4096
"""Of one message of a client. The longest that makes sense has about a hundred."""
ScreenShare = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]


class Message(BaseModel):
    model_config = ConfigDict(frozen=True)
    version: Literal[1] = VERSION


# -- server to client


@dataclass(slots=True)
class Metrics:
    """Times in seconds since the FocusSession began, absolute."""

    focused_time: float
    unfocused_time: float
    unknown_time: float
    total_time: float
    focus_percentage: float
    focus_sessions: int
    unfocus_sessions: int
    current_state: FocusState


@dataclass(slots=True)
class Direction:
    yaw_deg: float
    pitch_deg: float
    roll_deg: float = 0.0


@dataclass(slots=True)
class RecentSpan:
    """Seconds of media time."""

    start_s: float
    end_s: float
    state: FocusState
    reason: Reason


class TrackingStarted(Message):
    type: Literal["tracking_started"] = "tracking_started"
    focus_session_id: str
    continued: bool
    """True where an earlier peer's FocusSession goes on."""
    policy: str
    metrics: Metrics | None = None
    """Where it goes on: its totals so far."""
    spans: list[RecentSpan] = []
    """Where it goes on: its last ten minutes, in order."""
    timestamp: datetime


class Draining(Message):
    """The server is about to stop. The connection ends now, and the FocusSession can go on at the next server."""

    type: Literal["draining"] = "draining"


class TrackingUpdate(Message):
    """What `update_text.update_text` writes."""

    type: Literal["tracking_update"] = "tracking_update"
    is_focused: bool
    gaze_direction: GazeDirection
    metrics: Metrics
    timestamp: datetime
    state: FocusState
    reason: Reason
    confidence: float
    head_pose: Direction | None
    gaze: Direction | None
    eye_openness: float | None
    face_count: int
    perclos: float | None
    changing_to: FocusState | None
    """What a change under way would lead to: not sure enough to be the `state` yet. None while there is none."""
    changing_since_s: float | None
    """Media time at which that change began."""
    media_time_s: float
    rtp_timestamp: int
    server_ms: float
    """From the frame's last packet to this message."""


class TrackingStopped(Message):
    type: Literal["tracking_stopped"] = "tracking_stopped"
    focus_session_id: str
    reason: EndReason
    metrics: Metrics
    timestamp: datetime


class ErrorMessage(Message):
    type: Literal["error"] = "error"
    code: str
    message: str
    timestamp: datetime


class FrameRateRequest(Message):
    """A wish that a page may follow: nothing changes, fewer frames will do."""

    type: Literal["frame_rate"] = "frame_rate"
    max_fps: float


class CalibrationResult(Message):
    """Answers `calibration_end`."""

    type: Literal["calibration_result"] = "calibration_result"
    accepted: bool
    """False: judged as before."""
    quality: Quality
    error_deg: float | None = None
    """How far off each dot was when told from the others, on average; None where the gaze was not seen to follow."""
    message: str
    """Why it was not accepted, for a person to read."""
    timestamp: datetime


class CalibrationDrift(Message):
    """The learner or the camera has moved since the calibration. It still judges, but a new one would do better."""

    type: Literal["calibration_drift"] = "calibration_drift"
    timestamp: datetime


class MultipleFaces(Message):
    """A second person has come into the picture, or has gone. Nobody is recognised; who is measured stays the same.

    Said on `control` only, once for each; a new connection begins without a second person.
    """

    type: Literal["multiple_faces"] = "multiple_faces"
    present: bool
    media_time_s: float
    """When it was certain."""


# -- client to server


class Pause(Message):
    type: Literal["pause"]


class Resume(Message):
    type: Literal["resume"]


class Stop(Message):
    type: Literal["stop"]


class CalibrationStart(Message):
    """Dots follow. What is left of a calibration that was broken off is forgotten."""

    type: Literal["calibration_start"]


class CalibrationPoint(Message):
    """From now on a dot is shown here, in widths and heights of the screen from its top left corner."""

    type: Literal["calibration_point"]
    x: ScreenShare
    y: ScreenShare


class CalibrationEnd(Message):
    """All dots were shown."""

    type: Literal["calibration_end"]


class CalibrationCancel(Message):
    """The learner does not want to go on. Not answered."""

    type: Literal["calibration_cancel"]


CalibrationMessage = CalibrationStart | CalibrationPoint | CalibrationEnd | CalibrationCancel
ClientMessage = Annotated[Pause | Resume | Stop | CalibrationMessage, Field(discriminator="type")]
CLIENT_MESSAGE: TypeAdapter[ClientMessage] = TypeAdapter(ClientMessage)


def metrics_of(totals: Totals, state: FocusState) -> Metrics:
    """Seconds are rounded to milliseconds so that focused + unfocused = total holds on the wire too."""
    metrics = totals.metrics()
    metrics["focus_percentage"] = round(totals.focus_percentage, 1)
    return Metrics(**metrics, current_state=state)

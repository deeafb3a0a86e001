"""All that is kept of one FocusSession: what the store writes, as absolute values."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from rtc_server.focus.neutral import NeutralState
from rtc_server.focus.state import Span, Totals
from rtc_server.learner import Learner

SessionType = Literal["viewing", "pause", "resume"]


class EndReason(StrEnum):
    """Why a FocusSession ended, and what a client is told when its connection does."""

    STOPPED = "stopped"
    """The learner said so."""
    REPLACED = "replaced"
    """The learner connected again, elsewhere or anew."""
    SILENCE = "silence"
    """No pictures came any more."""
    EXPIRED = "expired"
    """It has lasted for as long as one may."""
    SHUTDOWN = "shutdown"
    """The server was stopped."""
    FAILED = "failed"
    """The connection was lost, or was abused, or met a bug."""
    CRASH = "crash"
    """The server died. Another one closed the session at its last known second."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """What another server needs, beside the rest of a record, to go on with a FocusSession."""

    neutral: NeutralState
    """What was learned about the learner."""
    clock_began_at: datetime | None
    """Real time at media time 0, for all its connections. UTC, aware; None before the first picture."""
    media_time_s: float
    """Media time at `recorded_at`."""


@dataclass(frozen=True, slots=True)
class FocusRecord:
    """The state of a FocusSession at one moment. Writing it twice changes nothing."""

    focus_session_id: str
    """A UUID in its 36-character form."""
    learner: Learner
    started_at: datetime
    """UTC, aware."""
    recorded_at: datetime
    """UTC, aware: when this was true."""
    session_type: SessionType
    totals: Totals
    spans: tuple[Span, ...]
    """From the start, in order, without overlap. The last one may still grow or be cut; earlier ones change only where
    `merged_spans` does. Their number is bounded."""
    policy: str
    """Name and version of the rules that decided, as in `reading/1`."""
    end_reason: str | None = None
    """None while it lasts; then the value of an EndReason."""
    consent_at: datetime | None = None
    """When the learner agreed to the camera, where the page said so. UTC, aware."""
    calibration_error_deg: float | None = None
    """Held-out error of the learner's own calibration; None without one."""
    calibration_quality: str | None = None
    """What that error amounts to, `good` or `fair`; None without a calibration."""
    multiple_faces: tuple[tuple[float, float], ...] = ()
    """When a second person was in the picture, as [start, end) in seconds, in order. Only the last may still grow."""
    merged_spans: int = 0
    """How many spans of either kind were merged into a neighbour, because there were too many. Totals stay exact."""
    server_id: str | None = None
    """The server that measured it."""
    fence: int = 0
    """How often the session has changed its server. A record with an older number is not stored any more."""
    resumption: Resumption | None = None
    display_name: str | None = None
    """What the learner is called on a teacher's page, where the token said so."""

"""What a read is asked for, and what it finds. No SQL: HTTP knows these."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Literal

_SOME_MOMENT = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Scope:
    modules: frozenset[int]
    """Nothing of other modules is read."""
    user_id: int | None = None
    """None: all learners of these modules."""
    section_id: int | None = None
    """0: sessions without a section. None: all."""
    live: bool | None = None
    """True: those that last; False: those that have ended; None: both."""
    begins: datetime | None = None
    """First moment at which a session may have begun. Aware; so is `ends`, the first moment after that time."""
    ends: datetime | None = None

    def of_module(self, module_id: int) -> "Scope":
        return replace(self, modules=frozenset({module_id}))

    @property
    def shape(self) -> "Scope":
        """One for all scopes that differ in nothing but values: their statements are the same."""
        return Scope(
            modules=frozenset(range(len(self.modules))),
            user_id=None if self.user_id is None else 0,
            section_id=self.section_id and 1,
            live=self.live,
            begins=self.begins and _SOME_MOMENT,
            ends=self.ends and _SOME_MOMENT,
        )


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """A session without its spans, or a row that only the platform wrote: of that, less is known."""

    source: Literal["session", "platform"]
    focus_session_id: str | None
    """None for a row of the platform's."""
    platform_row_id: int
    user_id: int
    module_id: int
    section_id: int | None
    started_at: datetime
    """UTC, aware, as all times."""
    recorded_at: datetime
    focused_s: float
    unfocused_s: float
    unknown_s: float | None = None
    display_name: str | None = None
    policy: str | None = None
    ended_at: datetime | None = None
    end_reason: str | None = None
    multiple_faces_s: float | None = None
    focused_stretches: int | None = None
    unfocused_stretches: int | None = None
    calibration_quality: str | None = None
    calibration_error_deg: float | None = None


@dataclass(frozen=True, slots=True)
class SessionCursor:
    """The last entry of a page."""

    started_at: datetime
    focus_session_id: str


@dataclass(frozen=True, slots=True)
class PlatformCursor:
    """Our sessions have all been listed: rows with a smaller id are next. None: from the greatest."""

    row_id: int | None


Cursor = SessionCursor | PlatformCursor


By = Literal["module", "section", "day", "learner"]
KEYS: dict[By, tuple[str, ...]] = {
    "module": ("module_id",),
    "section": ("module_id", "section_id"),
    "day": ("day",),
    "learner": ("user_id",),
}
"""Columns that a sum is grouped by. Days come newest first, all others ascending."""


@dataclass(frozen=True, slots=True)
class Sum:
    learners: int
    sessions: int
    """Ours, and rows that only the platform wrote."""
    focused_s: float
    unfocused_s: float
    unknown_s: float
    module_id: int | None = None
    """This and the next four are set where the sum is grouped by them."""
    section_id: int | None = None
    """0 for sessions without a section."""
    day: date | None = None
    """In the database's own time zone, as in the platform's rows."""
    user_id: int | None = None
    display_name: str | None = None
    """Of the learner's latest session in these modules."""

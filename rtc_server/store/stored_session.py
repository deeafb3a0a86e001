"""A FocusSession as it is read from the database."""

from dataclasses import dataclass
from datetime import datetime

from rtc_server.record import FocusRecord


@dataclass(frozen=True, slots=True)
class PlatformRow:
    """The row in `eye_tracking_sessions` as it is now."""

    id: int
    user_id: int
    module_id: int
    section_id: int | None
    total_time_seconds: int | None
    session_type: str | None
    created_at: datetime
    """UTC, aware. So is `last_updated`."""
    last_updated: datetime
    focused_time_seconds: int | None
    unfocused_time_seconds: int | None
    session_data: str | None
    """JSON."""


@dataclass(frozen=True, slots=True)
class StoredSession:
    record: FocusRecord
    """The last record that was written, exact to the microsecond and to the last bit of each float."""
    ended_at: datetime | None
    """UTC, aware; None while the session lasts."""
    row: PlatformRow | None
    """None if the platform has deleted it."""
    spans_go_on: bool = False
    """True if there are more spans after these."""

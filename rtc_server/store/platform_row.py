"""What a FocusRecord is in the platform's words: whole seconds and a little JSON."""

import json

from rtc_server.focus.record import FocusRecord
from rtc_server.learner import Learner
from rtc_server.store.schema import as_utc


def identity_columns(learner: Learner) -> dict[str, int | None]:
    return {"user_id": learner.user_id, "module_id": learner.module_id, "section_id": learner.section_id or None}


def measured_columns(record: FocusRecord) -> dict[str, int | str]:
    """The columns that change while a session lasts.

    Focused and unfocused seconds are each rounded, and the total is their sum: so it holds in the row
    that focused + unfocused = total, and none of the three ever goes down while the exact sums grow.
    """
    focused, unfocused = round(record.totals.focused_s), round(record.totals.unfocused_s)
    return {
        "total_time_seconds": focused + unfocused,
        "focused_time_seconds": focused,
        "unfocused_time_seconds": unfocused,
        "session_type": record.session_type,
        "session_data": session_data(record),
    }


def session_data(record: FocusRecord) -> str:
    """A few hundred bytes of ASCII, however long the session: the spans are in our own table."""
    totals = record.totals
    return json.dumps(
        {
            "focused_time": round(totals.focused_s, 3),
            "unfocused_time": round(totals.unfocused_s, 3),
            "unknown_time": round(totals.unknown_s, 3),
            "focus_percentage": round(totals.focus_percentage, 2),
            "focus_sessions": totals.focus_sessions,
            "unfocus_sessions": totals.unfocus_sessions,
            "session_type": "webrtc_cv_tracking",
            "timestamp": as_utc(record.recorded_at).isoformat(),
            "focus_session_id": record.focus_session_id,
            "policy": record.policy,
            "end_reason": record.end_reason,
        }
    )

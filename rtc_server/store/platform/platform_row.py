"""The content of a row in the platform's table: whole seconds and a little JSON."""

import json
from dataclasses import dataclass, replace
from datetime import datetime

from rtc_server.focus.state import Totals
from rtc_server.learner import Learner
from rtc_server.store.schema import as_utc


@dataclass(frozen=True, slots=True)
class AdoptedSeconds:
    """What a row held before our time was added."""

    total: int = 0
    focused: int = 0
    unfocused: int = 0


@dataclass(frozen=True, slots=True)
class RowContent:
    """The content of one row. It depends only on what the database holds."""

    totals: Totals
    """Sums of all our sessions that belong to the row."""
    focus_session_id: str
    """This and the next four are of the session that was recorded last."""
    policy: str
    end_reason: str | None
    recorded_at: datetime
    session_type: str
    adopted: AdoptedSeconds = AdoptedSeconds()


def identity_columns(learner: Learner) -> dict[str, int | None]:
    return {"user_id": learner.user_id, "module_id": learner.module_id, "section_id": learner.section_id or None}


def whole_seconds(focused_s: float, unfocused_s: float) -> tuple[int, int, int]:
    """Total, focused and unfocused seconds, where focused + unfocused = total.

    Total and focused are rounded, so neither ever shrinks while the exact sums grow. Unfocused is the difference: it is
    wrong by 1 s at most.
    """
    total, focused = round(focused_s + unfocused_s), round(focused_s)
    return total, focused, total - focused


def measured_columns(content: RowContent) -> dict[str, int | str]:
    """The columns that change while a row is written."""
    total, focused, unfocused = whole_seconds(content.totals.focused_s, content.totals.unfocused_s)
    return {
        "total_time_seconds": content.adopted.total + total,
        "focused_time_seconds": content.adopted.focused + focused,
        "unfocused_time_seconds": content.adopted.unfocused + unfocused,
        "session_type": content.session_type,
        "session_data": _session_data(content),
    }


def _session_data(content: RowContent) -> str:
    """A few hundred bytes of ASCII, however long the session: the spans are in our own table."""
    adopted, totals = content.adopted, content.totals
    of_row = replace(
        totals, focused_s=adopted.focused + totals.focused_s, unfocused_s=adopted.unfocused + totals.unfocused_s
    )
    return json.dumps(
        {
            **of_row.metrics(),
            "session_type": "webrtc_cv_tracking",
            "timestamp": as_utc(content.recorded_at).isoformat(),
            "focus_session_id": content.focus_session_id,
            "policy": content.policy,
            "end_reason": content.end_reason,
        }
    )

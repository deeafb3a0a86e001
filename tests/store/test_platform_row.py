import json

from hypothesis import given
from hypothesis import strategies as st

from rtc_server.focus.state import Totals
from rtc_server.learner import Learner
from rtc_server.store.platform_row import identity_columns, measured_columns
from tests.store.records import record, span

seconds = st.floats(0, 1e6)


def columns(focused_s: float, unfocused_s: float) -> dict[str, int]:
    return measured_columns(record(totals=Totals(focused_s, unfocused_s)))


@given(seconds, seconds)
def test_whole_seconds_add_up_and_are_the_nearest(focused_s: float, unfocused_s: float) -> None:
    row = columns(focused_s, unfocused_s)
    assert row["focused_time_seconds"] + row["unfocused_time_seconds"] == row["total_time_seconds"]
    assert abs(row["focused_time_seconds"] - focused_s) <= 0.5
    assert abs(row["unfocused_time_seconds"] - unfocused_s) <= 0.5


@given(seconds, seconds, seconds, seconds)
def test_whole_seconds_never_go_down(focused_s: float, unfocused_s: float, more: float, more_still: float) -> None:
    before, after = columns(focused_s, unfocused_s), columns(focused_s + more, unfocused_s + more_still)
    for column in ("total_time_seconds", "focused_time_seconds", "unfocused_time_seconds"):
        assert after[column] >= before[column]


def test_session_data_says_what_the_columns_cannot() -> None:
    one = record("f" * 36, span(0, 12.3456), at_s=13, end_reason="stopped")
    assert json.loads(str(measured_columns(one)["session_data"])) == {
        "focused_time": 12.346,
        "unfocused_time": 0.0,
        "unknown_time": 0.0,
        "focus_percentage": 100.0,
        "focus_sessions": 1,
        "unfocus_sessions": 0,
        "session_type": "webrtc_cv_tracking",
        "timestamp": "2026-03-29T00:59:43.123456+00:00",
        "focus_session_id": "f" * 36,
        "policy": "reading/1",
        "end_reason": "stopped",
    }


def test_session_data_stays_small_however_long_the_session() -> None:
    long = record(None, *(span(second, second + 1) for second in range(20_000)))
    assert len(str(measured_columns(long)["session_data"])) < 1024


def test_no_section_is_null() -> None:
    assert identity_columns(Learner(1, 2, 0))["section_id"] is None
    assert identity_columns(Learner(1, 2))["section_id"] is None
    assert identity_columns(Learner(1, 2, 5))["section_id"] == 5

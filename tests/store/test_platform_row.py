import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from rtc_server.focus.state import Totals
from rtc_server.learner import Learner
from rtc_server.store.platform.platform_row import (
    AdoptedSeconds,
    RowContent,
    identity_columns,
    measured_columns,
    whole_seconds,
)
from tests.store.records import STARTED_AT

seconds = st.floats(0, 1e6)


def content(totals: Totals, **others: object) -> RowContent:
    return replace(RowContent(totals, "f" * 36, "reading/1", "stopped", STARTED_AT, "pause"), **others)


@given(seconds, seconds)
def test_the_total_is_rounded_once_and_the_parts_add_up_to_it(focused_s: float, unfocused_s: float) -> None:
    total, focused, unfocused = whole_seconds(focused_s, unfocused_s)
    assert focused + unfocused == total
    assert abs(total - (focused_s + unfocused_s)) <= 0.5
    assert abs(focused - focused_s) <= 0.5
    assert abs(unfocused - unfocused_s) <= 1
    assert unfocused >= 0


def test_ten_seconds_and_a_third_are_ten() -> None:
    assert whole_seconds(6.708, 3.625) == (10, 7, 3)


@given(seconds, seconds, seconds, seconds)
def test_total_and_focused_never_go_down(focused_s: float, unfocused_s: float, more: float, more_still: float) -> None:
    before = whole_seconds(focused_s, unfocused_s)
    after = whole_seconds(focused_s + more, unfocused_s + more_still)
    assert after[0] >= before[0]
    assert after[1] >= before[1]


def test_what_a_row_held_is_added_as_it_was() -> None:
    row = measured_columns(content(Totals(6.708, 3.625), adopted=AdoptedSeconds(61, 40, 25)))
    names = ("total_time_seconds", "focused_time_seconds", "unfocused_time_seconds")
    assert [row[name] for name in names] == [71, 47, 28]


def test_session_data_says_what_the_columns_cannot() -> None:
    one = content(Totals(12.3456, 0.0, 0.25, 1), adopted=AdoptedSeconds(4, 3, 1))
    assert json.loads(str(measured_columns(one)["session_data"])) == {
        "focused_time": 15.346,
        "unfocused_time": 1.0,
        "unknown_time": 0.25,
        "total_time": 16.346,
        "focus_percentage": 93.88,
        "focus_sessions": 1,
        "unfocus_sessions": 0,
        "session_type": "webrtc_cv_tracking",
        "timestamp": "2026-03-29T00:59:30.123456+00:00",
        "focus_session_id": "f" * 36,
        "policy": "reading/1",
        "end_reason": "stopped",
    }


def test_no_section_is_null() -> None:
    assert identity_columns(Learner(1, 2, 0))["section_id"] is None
    assert identity_columns(Learner(1, 2))["section_id"] is None
    assert identity_columns(Learner(1, 2, 5))["section_id"] == 5

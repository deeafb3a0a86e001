"""Full rate while things change, five looks a second while they do not."""

from rtc_server.analysis.pace import FULL_FPS, QUIET_AFTER_S, QUIET_FPS, STABLE_AFTER_S, AnalysisPace
from rtc_server.focus.state import FocusSnapshot, FocusState, GazeDirection, Reason, Totals

SNAPSHOT = FocusSnapshot(
    media_time_s=0.0,
    state=FocusState.FOCUSED,
    reason=Reason.ON_SCREEN,
    gaze_direction=GazeDirection.CENTERED,
    confidence=1.0,
    head=None,
    gaze=None,
    eye_openness=1.0,
    face_count=1,
    brightness=100.0,
    perclos=None,
    totals=Totals(),
)


def looks(pace: AnalysisPace, start_s: float, end_s: float, fps: float, **answer: object) -> int:
    """How many of a still picture's frames are looked at."""
    looked = 0
    for number in range(round(start_s * fps), round(end_s * fps)):
        time = number / fps
        may_skip = pace.may_skip(time)
        pace.received(time)
        if not may_skip:
            looked += 1
            pace.observed(SNAPSHOT._replace(media_time_s=time, **answer))
    return looked


def test_every_frame_is_looked_at_until_the_answer_is_stable() -> None:
    pace = AnalysisPace(adaptive=True)
    assert looks(pace, 0, STABLE_AFTER_S, 15) == 15 * STABLE_AFTER_S
    assert pace.wanted_fps == FULL_FPS


def test_a_still_picture_is_looked_at_five_times_a_second() -> None:
    for fps in (15, 10):
        pace = AnalysisPace(adaptive=True)
        looks(pace, 0, STABLE_AFTER_S + 1, fps)
        assert looks(pace, STABLE_AFTER_S + 1, STABLE_AFTER_S + 5, fps) == 20


def test_a_page_that_sends_five_a_second_is_looked_at_each_time() -> None:
    """Its pictures come a little early or late. One that waited for the next would be 0.2 s old."""
    pace = AnalysisPace(adaptive=True)
    looks(pace, 0, STABLE_AFTER_S + 1, 15)
    time = STABLE_AFTER_S + 1
    for gap in (0.2, 0.18, 0.21, 0.17, 0.2):
        time += gap
        assert not pace.may_skip(time)
        pace.received(time)
        pace.observed(SNAPSHOT._replace(media_time_s=time))


def test_the_first_picture_that_comes_sooner_is_looked_at_at_once() -> None:
    pace = AnalysisPace(adaptive=True)
    looks(pace, 0, STABLE_AFTER_S + 1, 15)
    looks(pace, STABLE_AFTER_S + 1, STABLE_AFTER_S + 2, 5)
    time = STABLE_AFTER_S + 2 - 0.2 + 1 / 15
    assert not pace.may_skip(time)
    pace.received(time)
    pace.observed(SNAPSHOT._replace(media_time_s=time))
    assert pace.may_skip(time + 1 / 15), "after that a still picture is one again"


def test_another_answer_is_looked_at_in_full() -> None:
    pace = AnalysisPace(adaptive=True)
    looks(pace, 0, QUIET_AFTER_S + 1, 15)
    assert pace.wanted_fps == QUIET_FPS
    assert looks(pace, QUIET_AFTER_S + 1, QUIET_AFTER_S + 2, 15, face_count=2) >= 14
    assert pace.wanted_fps == FULL_FPS


def test_what_may_be_a_change_is_looked_at_in_full_until_it_is_one_or_none() -> None:
    pace = AnalysisPace(adaptive=True)
    looks(pace, 0, STABLE_AFTER_S + 1, 15)
    assert looks(pace, STABLE_AFTER_S + 1, STABLE_AFTER_S + 2, 15, changing=True) >= 14
    assert looks(pace, STABLE_AFTER_S + 2, STABLE_AFTER_S + 3, 15) <= 6


def test_who_does_not_adapt_looks_at_everything() -> None:
    pace = AnalysisPace(adaptive=False)
    assert looks(pace, 0, 20, 15) == 300
    assert pace.wanted_fps == FULL_FPS

"""Full rate while things change, fewer looks while they do not."""

from itertools import pairwise

import pytest

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
    return [what for _, what in run(pace, start_s, end_s, fps, **answer)].count("looked")


def run(pace: AnalysisPace, start_s: float, end_s: float, fps: float, **answer: object) -> list[tuple[float, str]]:
    """When something came of a still picture's frames, and what; as a pipeline does it."""
    came = []
    waiting: list[float] = []
    for number in range(round(start_s * fps), round(end_s * fps)):
        time = number / fps
        waiting.append(time)
        if pace.may_wait(time):
            continue
        may_skip = all(pace.may_skip(one) for one in waiting)
        for one in waiting:
            pace.received(one)
        waiting.clear()
        if may_skip and not pace.news_is_due(time):
            continue
        came.append((time, "told" if may_skip else "looked"))
        pace.told(SNAPSHOT._replace(media_time_s=time, **answer), looked=not may_skip)
    return came


def test_every_frame_is_looked_at_until_the_answer_is_stable() -> None:
    pace = AnalysisPace(adaptive=True)
    assert looks(pace, 0, STABLE_AFTER_S, 15) == 15 * STABLE_AFTER_S
    assert pace.wanted_fps == FULL_FPS


@pytest.mark.parametrize("fps", [15, 10, 5])
def test_of_a_still_picture_news_come_five_times_a_second_and_every_third_time_it_is_looked_at(fps: int) -> None:
    pace = AnalysisPace(adaptive=True)
    looks(pace, 0, STABLE_AFTER_S + 1, fps)
    came = run(pace, STABLE_AFTER_S + 1, STABLE_AFTER_S + 9, fps)
    assert len(came) == pytest.approx(40, abs=1)
    assert [what for _, what in came].count("looked") == pytest.approx(40 / 3, abs=1)
    assert max(later - earlier for (earlier, _), (later, _) in pairwise(came)) == pytest.approx(0.2, abs=0.01)


def test_no_picture_waits_at_a_page_that_sends_five_a_second() -> None:
    """Its pictures come a little early or late. One that waited for the next would be 0.2 s old."""
    pace = AnalysisPace(adaptive=True)
    looks(pace, 0, STABLE_AFTER_S + 1, 15)
    time = STABLE_AFTER_S + 1
    for gap in (0.2, 0.18, 0.21, 0.17, 0.2):
        time += gap
        assert not pace.may_wait(time)
        pace.received(time)
        pace.told(SNAPSHOT._replace(media_time_s=time), looked=True)


def test_the_first_picture_that_comes_sooner_is_looked_at_at_once() -> None:
    pace = AnalysisPace(adaptive=True)
    looks(pace, 0, STABLE_AFTER_S + 1, 15)
    looks(pace, STABLE_AFTER_S + 1, STABLE_AFTER_S + 2, 5)
    time = STABLE_AFTER_S + 2 - 0.2 + 1 / 15
    assert not pace.may_skip(time)
    pace.received(time)
    pace.told(SNAPSHOT._replace(media_time_s=time), looked=True)
    assert pace.may_skip(time + 1 / 15), "after that a still picture is one again"


def test_another_answer_is_looked_at_in_full() -> None:
    pace = AnalysisPace(adaptive=True)
    looks(pace, 0, QUIET_AFTER_S + 1, 15)
    assert pace.wanted_fps == QUIET_FPS
    assert looks(pace, QUIET_AFTER_S + 1, QUIET_AFTER_S + 2, 15, face_count=2) >= 13
    assert pace.wanted_fps == FULL_FPS


def test_what_may_be_a_change_is_looked_at_in_full_until_it_is_one_or_none() -> None:
    pace = AnalysisPace(adaptive=True)
    looks(pace, 0, STABLE_AFTER_S + 1, 15)
    assert looks(pace, STABLE_AFTER_S + 1, STABLE_AFTER_S + 2, 15, changing=True) >= 13
    assert looks(pace, STABLE_AFTER_S + 2, STABLE_AFTER_S + 3, 15) <= 6


def test_who_does_not_adapt_looks_at_everything() -> None:
    pace = AnalysisPace(adaptive=False)
    assert looks(pace, 0, 20, 15) == 300
    assert pace.wanted_fps == FULL_FPS

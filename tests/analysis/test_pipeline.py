"""Which frames may wait for the next one."""

from collections.abc import Sequence
from itertools import pairwise

import pytest

from rtc_server.analysis.focus_session import FocusSession
from rtc_server.analysis.frame_counts import FrameCounts
from rtc_server.analysis.pace import SPARSE_S, STABLE_AFTER_S, AnalysisPace
from rtc_server.analysis.pipeline import MAX_FAILURES, Outcome, Pipeline
from rtc_server.focus.observation import Seen, StillPicture
from rtc_server.frame import BASE_LAYER, EncodedFrame, TemporalLayer
from rtc_server.learner import Learner
from tests.peer.stand_ins import Analyser, Analysers, Records

FPS = 15


UPPER = TemporalLayer(1, synchronised=True)


def frame(number: int, layer: TemporalLayer = BASE_LAYER) -> EncodedFrame:
    return EncodedFrame(b"", False, number, number / FPS, 0.0, layer)


def pipeline(session: FocusSession, *, adaptive: bool = True) -> Pipeline:
    """One that has seen the same, which is nobody, for longer than it takes to be stable."""
    made = Pipeline("vp8", Analysers(), session, AnalysisPace(adaptive))
    for number in range(round((STABLE_AFTER_S + 3) * FPS)):
        made.process([frame(number)])
    return made


AFTER = round((STABLE_AFTER_S + 3) * FPS)


def test_while_the_answer_is_stable_frames_wait_until_one_is_due() -> None:
    made = pipeline(FocusSession(Learner(1, 1), "reading", Records()))
    assert [made.may_wait(frame(AFTER + number)) for number in range(3)] == [True, True, False]


def test_in_a_layered_stream_the_upper_layer_waits_for_the_base_and_the_base_for_nothing() -> None:
    made = pipeline(FocusSession(Learner(1, 1), "reading", Records()))
    made.process([frame(AFTER, UPPER)])
    for number in range(1, 2 * FPS, 2):
        base, upper = frame(AFTER + number), frame(AFTER + number + 1, UPPER)
        assert not made.may_wait(base)
        made.process([base])
        assert made.may_wait(upper)


def test_a_sender_of_the_upper_layer_alone_is_looked_at_all_the_same() -> None:
    made = pipeline(FocusSession(Learner(1, 1), "reading", Records()))
    waiting, seen_at = [], []
    for number in range(2 * FPS):
        waiting.append(frame(AFTER + number, UPPER))
        if not made.may_wait(waiting[-1]):
            assert made.process(waiting) is not None
            seen_at.append(waiting[-1].media_time_s)
            waiting.clear()
    assert max(later - earlier for earlier, later in pairwise(seen_at)) <= SPARSE_S + 1 / FPS


def test_of_still_pictures_there_are_news_five_times_a_second() -> None:
    class Still(Analyser):
        def analyse(self, frames: Sequence[EncodedFrame], *, skip_if_still: bool = False) -> Seen | None:
            looked = super().analyse(frames)
            return StillPicture(frames[-1].media_time_s) if skip_if_still else looked

    session = FocusSession(Learner(1, 1), "reading", Records())
    made = Pipeline("vp8", Still, session, AnalysisPace(adaptive=True))
    for number in range(AFTER):
        made.process([frame(number)])
    outcomes = [made.process([frame(AFTER + number)]) for number in range(4 * FPS)]
    told = [outcome.snapshot.media_time_s for outcome in outcomes if outcome and outcome.snapshot]
    assert len(told) == 20
    assert session.snapshot().media_time_s == told[-1]


def test_until_it_is_stable_and_at_full_rate_nothing_waits() -> None:
    fresh = Pipeline("vp8", Analysers(), FocusSession(Learner(1, 1), "reading", Records()), AnalysisPace(adaptive=True))
    fresh.process([frame(0)])
    assert not fresh.may_wait(frame(1))
    assert not pipeline(FocusSession(Learner(1, 1), "reading", Records()), adaptive=False).may_wait(frame(AFTER))


def test_nothing_waits_while_a_dot_is_shown() -> None:
    session = FocusSession(Learner(1, 1), "reading", Records())
    made = pipeline(session)
    session.look_at(0.5, 0.5)
    made.process([frame(AFTER)])
    assert not made.may_wait(frame(AFTER + 1))


def test_what_comes_of_a_turn_is_told_once() -> None:
    made = Pipeline("vp8", Analysers(), FocusSession(Learner(1, 1), "reading", Records()), AnalysisPace(adaptive=True))
    first, second = made.process([frame(0)]), made.process([frame(1), frame(2)])
    assert first is not None
    assert first.snapshot is not None
    assert (first.keyframe_needed, first.broken, first.wanted_fps) == (False, False, None)
    assert second is not None
    assert second.rtp_timestamp == 2


def test_a_frame_that_cannot_be_decoded_asks_for_a_keyframe(decode_failed: Exception) -> None:
    analysers, counts = Analysers(), FrameCounts()
    session = FocusSession(Learner(1, 1), "reading", Records())
    made = Pipeline("vp8", analysers, session, AnalysisPace(adaptive=True), counts)
    made.process([frame(0)])
    analysers.made[0].failures += [decode_failed, RuntimeError("a bug")]
    assert made.process([frame(1), frame(2)]) == Outcome(keyframe_needed=True)
    made.process([frame(3)])
    assert counts.dropped.read() | {"undecodable": 2, "failed": 1} == counts.dropped.read()


def test_an_analysis_that_keeps_failing_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    def broken(codec: str) -> Analyser:
        raise RuntimeError("no analyser today")

    made = Pipeline("vp8", broken, FocusSession(Learner(1, 1), "reading", Records()), AnalysisPace(adaptive=True))
    outcomes = [made.process([frame(number)]) for number in range(MAX_FAILURES)]
    assert outcomes == [*[Outcome(keyframe_needed=True)] * (MAX_FAILURES - 1), Outcome(broken=True)]
    assert "no analyser today" in caplog.text

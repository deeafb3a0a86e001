"""Which frames may wait for the next one."""

from rtc_server.analysis.focus_session import FocusSession
from rtc_server.analysis.pace import STABLE_AFTER_S, AnalysisPace
from rtc_server.analysis.pipeline import Pipeline
from rtc_server.focus.state import FocusSnapshot
from rtc_server.frame import EncodedFrame
from rtc_server.learner import Learner
from rtc_server.record import FocusRecord
from tests.peer.stand_ins import Analysers

FPS = 15


class Events:
    def updated(self, snapshot: FocusSnapshot, text: str, record: FocusRecord | None) -> None: ...
    def keyframe_needed(self) -> None: ...
    def pace_changed(self, fps: float) -> None: ...
    def broken(self) -> None: ...


def frame(number: int) -> EncodedFrame:
    return EncodedFrame(b"", "vp8", False, number, number / FPS, 0.0)


def pipeline(session: FocusSession, *, adaptive: bool = True) -> Pipeline:
    """One that has seen the same, which is nobody, for longer than it takes to be stable."""
    made = Pipeline("vp8", Analysers(), session, AnalysisPace(adaptive), Events())
    for number in range(round((STABLE_AFTER_S + 3) * FPS)):
        made.process([frame(number)])
    return made


AFTER = round((STABLE_AFTER_S + 3) * FPS)


def test_while_the_answer_is_stable_frames_wait_until_one_is_due() -> None:
    made = pipeline(FocusSession(Learner(1, 1), "reading"))
    assert [made.may_wait(frame(AFTER + number)) for number in range(3)] == [True, True, False]


def test_until_it_is_stable_and_at_full_rate_nothing_waits() -> None:
    fresh = Pipeline("vp8", Analysers(), FocusSession(Learner(1, 1), "reading"), AnalysisPace(adaptive=True), Events())
    fresh.process([frame(0)])
    assert not fresh.may_wait(frame(1))
    assert not pipeline(FocusSession(Learner(1, 1), "reading"), adaptive=False).may_wait(frame(AFTER))


def test_nothing_waits_while_a_dot_is_shown() -> None:
    session = FocusSession(Learner(1, 1), "reading")
    made = pipeline(session)
    session.look_at(0.5, 0.5)
    made.process([frame(AFTER)])
    assert not made.may_wait(frame(AFTER + 1))

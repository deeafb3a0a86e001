"""From the page's dots to the row: what the server hears, what it says, and what it keeps."""

from dataclasses import replace

import pytest

from rtc_server.analysis.focus_session import FocusSession
from rtc_server.channel.calibration_dialogue import MAX_POINTS, CalibrationDialogue
from rtc_server.channel.messages import (
    CLIENT_MESSAGE,
    CalibrationDrift,
    CalibrationMessage,
    CalibrationResult,
    ErrorMessage,
    Message,
)
from rtc_server.focus.calibration import LONGEST_S, MIN_SAMPLES, SETTLE_S, TARGETS, Calibration
from rtc_server.focus.state import Angles
from rtc_server.learner import Learner
from rtc_server.peer.registry import PeerRegistry
from tests.focus.meshes import Look, seen
from tests.peer.learner_client import learner_client
from tests.peer.stand_ins import Analysers, Records, until

HALF_WIDTH_DEG, HALF_HEIGHT_DEG = 12.0, 8.0
HELD_OUT = (0.7, 0.3)
FPS = 15


def said(kind: str, **values: float) -> CalibrationMessage:
    return CLIENT_MESSAGE.validate_python({"type": f"calibration_{kind}"} | values)


def towards(x: float, y: float) -> Look:
    """A gaze at this place of the screen; the picture is not mirrored."""
    yaw, pitch = -HALF_WIDTH_DEG * 2 * (x - 0.5), 5.0 - HALF_HEIGHT_DEG * 2 * (y - 0.5)
    return Look(head_yaw=yaw / 2, head_pitch=4.0 + (pitch - 5.0) / 2, gaze_yaw=yaw, gaze_pitch=pitch)


class CalibratingLearner:
    """A learner before a camera of 15 frames a second, and the page's end of the dialogue."""

    def __init__(self) -> None:
        self.session = FocusSession(Learner(1, 1), "reading", Records())
        self.told: list[Message] = []
        self.dialogue = CalibrationDialogue(self.session, self.told.append)
        self.frames = 0
        self.looks(towards(0.5, 0.5), 1.0)

    def looks(self, look: Look, seconds: float) -> None:
        shown = seen(0.0, look)
        for _ in range(round(seconds * FPS)):
            self.session.observe(replace(shown, media_time_s=self.frames / FPS))
            self.frames += 1

    def follows(self, *points: tuple[float, float], seconds: float = 2.0) -> None:
        for x, y in points:
            self.dialogue.heard(said("point", x=x, y=y))
            self.looks(towards(x, y), seconds)

    @property
    def last(self) -> Message:
        return self.told[-1]


def test_the_screen_is_learned_and_its_error_stored() -> None:
    learner = CalibratingLearner()
    assert learner.session.record().calibration_error_deg is None
    learner.dialogue.heard(said("start"))
    learner.follows(*TARGETS, HELD_OUT)
    assert learner.session.calibrating
    assert learner.dialogue.heard(said("end")), "there is something to record"
    (result,) = learner.told
    assert isinstance(result, CalibrationResult)
    assert (result.accepted, result.quality, result.message) == (True, "good", "")
    assert result.error_deg is not None
    assert result.error_deg < 2.0
    assert learner.session.record().calibration_error_deg == pytest.approx(result.error_deg, abs=0.05)
    assert learner.session.record().calibration_quality == "good"
    assert not learner.session.calibrating


def test_eyes_that_stay_where_they_are_calibrate_nothing() -> None:
    learner = CalibratingLearner()
    learner.dialogue.heard(said("start"))
    for x, y in TARGETS:
        learner.dialogue.heard(said("point", x=x, y=y))
        learner.looks(towards(0.5, 0.5), 2.0)
    assert not learner.dialogue.heard(said("end"))
    assert isinstance(learner.last, CalibrationResult)
    assert (learner.last.accepted, learner.last.quality, learner.last.error_deg) == (False, "poor", None)
    assert "follow" in learner.last.message
    assert learner.session.record().calibration_error_deg is None
    assert learner.session.record().calibration_quality is None


def test_a_dot_that_was_not_finished_is_left_out() -> None:
    learner = CalibratingLearner()
    learner.dialogue.heard(said("start"))
    learner.follows(*TARGETS)
    learner.follows(HELD_OUT, seconds=SETTLE_S)
    assert learner.dialogue.heard(said("end"))

    learner.dialogue.heard(said("start"))
    learner.follows(*TARGETS[:-1])
    learner.follows(TARGETS[-1], seconds=SETTLE_S + (MIN_SAMPLES - 2) / FPS)
    assert not learner.dialogue.heard(said("end")), "four are too few"


def test_who_skips_is_judged_as_before() -> None:
    learner = CalibratingLearner()
    learner.dialogue.heard(said("start"))
    learner.follows(*TARGETS)
    learner.dialogue.heard(said("cancel"))
    assert learner.told == []
    assert not learner.session.calibrating
    learner.dialogue.heard(said("start"))
    assert not learner.dialogue.heard(said("end")), "nothing of the first is left"
    assert learner.session.record().calibration_error_deg is None


def test_a_poor_one_leaves_an_earlier_one_in_force() -> None:
    learner = CalibratingLearner()
    learner.dialogue.heard(said("start"))
    learner.follows(*TARGETS)
    learner.dialogue.heard(said("end"))
    stored = learner.session.record().calibration_error_deg
    learner.dialogue.heard(said("start"))
    for x, y in TARGETS:
        learner.dialogue.heard(said("point", x=x, y=y))
        learner.looks(towards(1 - x if y < 0.5 else x, y), 2.0)
    assert not learner.dialogue.heard(said("end"))
    assert learner.session.record().calibration_error_deg == stored


def test_eyes_that_go_far_beyond_any_screen_are_not_believed() -> None:
    learner = CalibratingLearner()
    learner.dialogue.heard(said("start"))
    for x, y in TARGETS:
        learner.dialogue.heard(said("point", x=x, y=y))
        learner.looks(towards(0.5 + 5 * (x - 0.5), y), 2.0)
    assert not learner.dialogue.heard(said("end"))
    assert isinstance(learner.last, CalibrationResult)
    assert not learner.last.accepted


def test_an_error_as_large_as_the_screen_is_chance() -> None:
    middle = Angles(0.0, 5.0)
    assert Calibration(middle, half_width_deg=12.0, half_height_deg=5.0, error_deg=4.0).quality == "fair"
    assert Calibration(middle, half_width_deg=12.0, half_height_deg=3.0, error_deg=4.0).quality == "poor"


def test_dots_in_a_line_draw_no_screen() -> None:
    learner = CalibratingLearner()
    learner.dialogue.heard(said("start"))
    learner.follows(*((share, share) for share in (0.1, 0.3, 0.5, 0.7, 0.9)))
    assert not learner.dialogue.heard(said("end"))
    assert isinstance(learner.last, CalibrationResult)
    assert "spread" in learner.last.message


def test_a_page_that_went_away_leaves_little_behind() -> None:
    learner = CalibratingLearner()
    learner.dialogue.heard(said("start"))
    learner.dialogue.heard(said("point", x=0.5, y=0.5))
    learner.looks(towards(0.5, 0.5), LONGEST_S + 0.5)
    assert not learner.session.calibrating


@pytest.mark.parametrize("kind", ["end", "point"])
def test_what_comes_out_of_order_is_refused(kind: str) -> None:
    learner = CalibratingLearner()
    learner.dialogue.heard(said(kind, x=0.5, y=0.5))
    assert isinstance(learner.last, ErrorMessage)
    assert learner.last.code == "calibration_refused"
    learner.dialogue.heard(said("cancel"))
    assert len(learner.told) == 1, "nothing is easily cancelled"


def test_no_calibration_while_paused_and_none_without_end() -> None:
    learner = CalibratingLearner()
    learner.session.pause(1.0)
    learner.dialogue.heard(said("start"))
    assert isinstance(learner.last, ErrorMessage)
    learner.session.resume(2.0)
    learner.dialogue.heard(said("start"))
    for _ in range(MAX_POINTS):
        learner.dialogue.heard(said("point", x=0.5, y=0.5))
    assert len(learner.told) == 1
    learner.dialogue.heard(said("point", x=0.5, y=0.5))
    assert len(learner.told) == 2


def test_drift_is_said_once_after_each_calibration() -> None:
    learner = CalibratingLearner()
    for turned in (0.0, -8.0):
        learner.dialogue.heard(said("start"))
        for x, y in TARGETS:
            learner.dialogue.heard(said("point", x=x, y=y))
            look = towards(x, y)
            learner.looks(Look(look.head_yaw, look.head_pitch, 0.0, look.gaze_yaw + turned, look.gaze_pitch), 2.0)
        assert learner.dialogue.heard(said("end"))
        learner.told.clear()
        learner.dialogue.watch()
        assert learner.told == []
        for _ in range(2):
            learner.looks(Look(gaze_yaw=turned + 8.0), 60.0)
            learner.dialogue.watch()
        assert [type(message) for message in learner.told] == [CalibrationDrift]


@pytest.mark.parametrize(
    "point",
    [
        '"x": 1.01, "y": 0.5',
        '"x": -0.1, "y": 0.5',
        '"x": NaN, "y": 0.5',
        '"x": 1e400, "y": 0.5',
        '"x": "left", "y": 0.5',
        '"x": 0.5',
    ],
)
async def test_a_dot_outside_the_screen_is_refused_and_the_session_lives(registry: PeerRegistry, point: str) -> None:
    async with learner_client() as client:
        await client.connect(registry)
        await client.told("tracking_update")
        client.say({"type": "calibration_start"})
        client.say(f'{{"type": "calibration_point", {point}}}')
        assert (await client.told("error"))["code"] == "malformed"
        await client.told("tracking_update")


async def test_over_the_control_channel(registry: PeerRegistry, analysers: Analysers, records: Records) -> None:
    async with learner_client() as client:
        await client.connect(registry)
        await client.told("tracking_update")
        client.say({"type": "calibration_end"})
        assert (await client.told("error"))["code"] == "calibration_refused"
        client.say({"type": "calibration_start"})
        client.say({"type": "calibration_point", "x": 0.5, "y": 0.5})
        client.say({"type": "calibration_end"})
        result = await client.told("calibration_result")
        assert (result["accepted"], result["quality"], result["error_deg"]) == (False, "poor", None)
        client.say({"type": "calibration_start"})
        client.say({"type": "pause"})
        await until(lambda: records.last.session_type == "pause", "paused")
        client.say({"type": "calibration_end"})
        assert (await client.told("error"))["code"] == "calibration_refused", "pausing broke it off"
        client.say({"type": "stop"})
        await client.told("tracking_stopped")
        (end,) = await records.ended()
    assert end.calibration_error_deg is None

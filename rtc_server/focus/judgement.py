"""What one frame says, before time has its word: a state, a reason, and by how much it outweighs the other.

Eyes and head each say where the learner looks, and each with its own uncertainty. Eyes that are well seen
decide almost alone: somebody who nods with the eyes on the screen looks at the screen. The less is seen of
them (lids low, irises where none can be, a small face), the more the head decides. Both are taken as
differences from the learner's own neutral, whose uncertainty counts too.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

from rtc_server.focus.calibration import Calibration
from rtc_server.focus.geometry.gaze_noise import GazeNoise
from rtc_server.focus.geometry.measurement import FaceMeasurement
from rtc_server.focus.neutral import Channel, Neutral
from rtc_server.focus.policy import Policy
from rtc_server.focus.state import FocusState, GazeDirection, Reason

CLOSED_OPENNESS = 0.4
"""Lids this far down are closed, or the eyes look steeply down. The mesh's own lids never quite meet: on
closed eyes they leave up to 0.4 of the usual opening."""
DESK_HEAD_PITCH_DEG = (-8.0, -20.0)
"""With lids low, a head this far below its neutral reads from the desk, and one held higher has its eyes
closed: the first where the lids are just low, the second where nothing of the eye is left to see. Who
reads from a desk lowers the head as well as the eyes, by a third to a half of the 40° or so."""
HEAD_YAW_DEVIATION_DEG = 3.0
"""Standard deviation of the head's own yaw."""
LOW_LIDS_LOG_ODDS = 1.5
"""With lids that low: four of five such frames belong to no blink once one has outlasted a blink's first tenths."""
HEAD_DEVIATION_DEG = 25.0
"""How far the eyes stray from where the head points: seldom by more than 20° for long (Stahl 1999), but on a screen
they stay while the head nods or turns by 35°."""
RESERVE = 0.75
"""Standard deviations beyond a line at which both sides are as likely: most of a lesson is spent on the screen."""
LOG_ODDS = 1.7
"""Log odds for each standard deviation: how the logistic curve follows the normal one."""
MAX_LOG_ODDS = 8.0
"""No frame is surer than 3000 to 1: the mesh itself is wrong more often."""
NEUTRAL_SHARE = 0.85
"""Closer to the neutral than this share of a limit, a gaze may teach it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How far from the neutral is still on the screen, in degrees."""

    yaw_deg: float
    up_deg: float
    down_deg: float
    head_yaw_deg: float


def limits_of(policy: Policy, screen: Calibration | None) -> Limits:
    """The policy's, until the learner's own screen is known."""
    if screen is None:
        return Limits(
            policy.gaze_yaw_limit_deg, policy.gaze_up_limit_deg, policy.gaze_down_limit_deg, policy.head_yaw_limit_deg
        )
    yaw, pitch = screen.half_width_deg + screen.margin_deg, screen.half_height_deg + screen.margin_deg
    return Limits(yaw, pitch, pitch, max(policy.head_yaw_limit_deg, yaw))


class Judgement(NamedTuple):
    """One frame's verdict."""

    state: FocusState
    reason: Reason
    log_odds: float
    """0 on a line that would change the verdict, `MAX_LOG_ODDS` at most."""
    eyes_closed: bool = False
    at_neutral: bool = False
    """Well inside the lines with open eyes: fit to teach the neutral."""


DIRECTIONS = {
    Reason.ON_SCREEN: GazeDirection.CENTERED,
    Reason.ON_DESK: GazeDirection.LOOKING_DOWN,
    Reason.HEAD_TURNED: GazeDirection.FACE_TURNED,
    Reason.LOOKING_LEFT: GazeDirection.LOOKING_LEFT,
    Reason.LOOKING_RIGHT: GazeDirection.LOOKING_RIGHT,
    Reason.LOOKING_UP: GazeDirection.LOOKING_UP,
    Reason.LOOKING_DOWN: GazeDirection.LOOKING_DOWN,
    Reason.EYES_CLOSED: GazeDirection.EYES_CLOSED,
    Reason.NO_FACE: GazeDirection.NO_FACE,
}
"""In the old page's vocabulary. What is missing here is an `error`: nothing can be said."""


def judge_face(face: FaceMeasurement, openness: float, neutral: Neutral, limits: Limits, noise: GazeNoise) -> Judgement:
    """Judge one measured face. `openness` as `Neutral.openness` gives it."""
    if openness < CLOSED_OPENNESS:
        return _with_low_lids(face, openness, neutral, limits)
    yaw_noise, pitch_noise = noise.deviations(face, openness)
    yaw, yaw_deviation = _looked(face.gaze.yaw_deg, neutral.gaze_yaw, yaw_noise, face.head.yaw_deg, neutral.head_yaw)
    pitch, pitch_deviation = _looked(
        face.gaze.pitch_deg, neutral.gaze_pitch, pitch_noise, face.head.pitch_deg, neutral.head_pitch
    )
    pitch_limit = limits.up_deg if pitch > 0 else limits.down_deg
    aside, beside = (abs(yaw) - limits.yaw_deg) / yaw_deviation, (abs(pitch) - pitch_limit) / pitch_deviation
    turned = _turned(face, neutral, limits)
    log_odds = LOG_ODDS * (max(aside, beside, turned) - RESERVE)
    if log_odds <= 0:
        at_neutral = max(abs(yaw) / limits.yaw_deg, abs(pitch) / pitch_limit) < NEUTRAL_SHARE
        return Judgement(FocusState.FOCUSED, Reason.ON_SCREEN, min(MAX_LOG_ODDS, -log_odds), at_neutral=at_neutral)
    if beside > max(aside, turned):
        reason = Reason.LOOKING_UP if pitch > 0 else Reason.LOOKING_DOWN
    elif turned > 0:
        reason = Reason.HEAD_TURNED
    else:
        reason = Reason.LOOKING_RIGHT if yaw > 0 else Reason.LOOKING_LEFT
    return Judgement(FocusState.UNFOCUSED, reason, min(MAX_LOG_ODDS, log_odds))


def _looked(
    gaze_deg: float, usual_gaze: Channel, gaze_deviation_deg: float, head_deg: float, usual_head: Channel
) -> tuple[float, float]:
    """How far from the neutral the learner looks by eyes and head together, and its standard deviation; one axis."""
    by_eyes = 1 / (gaze_deviation_deg**2 + usual_gaze.deviation**2)
    by_head = 1 / (HEAD_DEVIATION_DEG**2 + usual_head.deviation**2)
    total = by_eyes + by_head
    looked = (by_eyes * (gaze_deg - usual_gaze.mean) + by_head * (head_deg - usual_head.mean)) / total
    return looked, math.sqrt(1 / total)


def _turned(face: FaceMeasurement, neutral: Neutral, limits: Limits) -> float:
    """How far the head is turned beyond its limit, in standard deviations.

    Turned away is a head that points neither to the camera nor to where it usually does.
    """
    away = min(abs(face.head.yaw_deg), abs(face.head.yaw_deg - neutral.head_yaw.mean))
    return (away - limits.head_yaw_deg) / HEAD_YAW_DEVIATION_DEG


def _with_low_lids(face: FaceMeasurement, openness: float, neutral: Neutral, limits: Limits) -> Judgement:
    """The eyes say nothing: closed, or lowered to the desk, or whatever the head is turned to."""
    log_odds = LOW_LIDS_LOG_ODDS * min(1.0, 4 * (1 - openness / CLOSED_OPENNESS))
    just_low, shut = DESK_HEAD_PITCH_DEG
    desk = just_low + (shut - just_low) * (1 - max(0.0, openness) / CLOSED_OPENNESS)
    if _turned(face, neutral, limits) > RESERVE:
        reason = Reason.HEAD_TURNED
    elif face.head.pitch_deg - neutral.head_pitch.mean < desk:
        reason = Reason.LOOKING_DOWN
    else:
        reason = Reason.EYES_CLOSED
    return Judgement(FocusState.UNFOCUSED, reason, log_odds, eyes_closed=True)

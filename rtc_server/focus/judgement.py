"""What one frame says, before time has its word: a state, a reason and how sure.

Everything is a distance from the learner's neutral in units of the allowed distance: 1 is the line.
Crossing back takes less than crossing over (hysteresis), and an unsure neutral widens the lines.
"""

from dataclasses import dataclass
from typing import NamedTuple

from rtc_server.focus.calibration import Calibration
from rtc_server.focus.measurement import FaceMeasurement
from rtc_server.focus.neutral import Neutral
from rtc_server.focus.policy import Policy
from rtc_server.focus.state import FocusState, GazeDirection, Reason

RETURN_SHARE = 0.85
"""Back on the screen below this share of a limit: wider than the mesh's jitter of 1°, so that a gaze
on the line does not flicker."""
CLOSED_OPENNESS = 0.45
"""Lids this far down are closed, or the eyes look steeply down. The mesh's own lids never quite meet: on
closed eyes they leave up to 0.4 of the usual opening."""
REOPENED_OPENNESS = 0.55
DESK_HEAD_PITCH_DEG = (-8.0, -20.0)
"""With lids low, a head this far below its neutral reads from the desk, and one held higher has its eyes
closed: the first where the lids are just low, the second where nothing of the eye is left to see. Who
reads from a desk lowers the head as well as the eyes, by a third to a half of the 40° or so."""
HEAD_PITCH_LIMIT_DEG = 22.0
"""Beyond it the head alone says so, whatever the irises seem to do."""


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
    confidence: float
    """0 on a line that would change the verdict, 1 as far away as it gets."""
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


def judge_face(
    face: FaceMeasurement, openness: float, neutral: Neutral, limits: Limits, before: Judgement | None
) -> Judgement:
    """Judge one measured face. `before` is the verdict on the frame before it, for the hysteresis."""
    was_closed = before is not None and before.eyes_closed
    closed = openness < (REOPENED_OPENNESS if was_closed else CLOSED_OPENNESS)
    head_pitch = face.head.pitch_deg - neutral.head_pitch.mean
    away, reason = _furthest(face, neutral, limits, eyes_seen=not closed)
    if closed:
        just_low, shut = DESK_HEAD_PITCH_DEG
        desk = head_pitch < just_low + (shut - just_low) * max(0.0, 1 - openness / CLOSED_OPENNESS)
        certainty = min(1.0, abs(REOPENED_OPENNESS - openness) / REOPENED_OPENNESS)
        if away < 1 or reason in (Reason.LOOKING_DOWN, Reason.LOOKING_UP):
            reason = Reason.LOOKING_DOWN if desk else Reason.EYES_CLOSED
        return Judgement(FocusState.UNFOCUSED, reason, certainty, eyes_closed=True)
    was_away = before is not None and before.state is FocusState.UNFOCUSED and before.reason is not Reason.NO_FACE
    line = RETURN_SHARE if was_away else 1.0
    trust = 0.5 + 0.5 * face.eye_trust
    if away > line:
        return Judgement(FocusState.UNFOCUSED, reason, trust * min(1.0, (away - line) / line))
    return Judgement(FocusState.FOCUSED, Reason.ON_SCREEN, trust * (line - away) / line, at_neutral=away < RETURN_SHARE)


def _furthest(face: FaceMeasurement, neutral: Neutral, limits: Limits, *, eyes_seen: bool) -> tuple[float, Reason]:
    """The greatest distance from the neutral, in units of its limit, and what it is."""
    head_yaw = neutral.head_yaw.distance(face.head.yaw_deg, limits.head_yaw_deg)
    head_pitch = neutral.head_pitch.distance(face.head.pitch_deg, HEAD_PITCH_LIMIT_DEG)
    away, reason = abs(head_yaw), Reason.HEAD_TURNED
    if abs(head_pitch) > away:
        away, reason = abs(head_pitch), Reason.LOOKING_UP if head_pitch > 0 else Reason.LOOKING_DOWN
    if eyes_seen:
        up = face.gaze.pitch_deg > neutral.gaze_pitch.mean
        yaw = neutral.gaze_yaw.distance(face.gaze.yaw_deg, limits.yaw_deg)
        pitch = neutral.gaze_pitch.distance(face.gaze.pitch_deg, limits.up_deg if up else limits.down_deg)
        if abs(yaw) > away:
            away, reason = abs(yaw), Reason.LOOKING_RIGHT if yaw > 0 else Reason.LOOKING_LEFT
            if abs(head_yaw) > 1:
                reason = Reason.HEAD_TURNED  # the eyes only follow the head
        if abs(pitch) > away:
            away, reason = abs(pitch), Reason.LOOKING_UP if up else Reason.LOOKING_DOWN
    return away, reason

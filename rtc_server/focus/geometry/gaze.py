"""Where the eyes point and how far they are open, from the irises and lids in the head's frame.

An eye is a ball whose centre is fixed in the head, behind the middle of its corners. The iris' place in
the picture against that centre's gives the direction, head and eyes together, without trusting the
mesh's guess of the iris' depth. Up and down the lids hide the iris, and the mesh knows it badly: but
the upper lid rides on the eyeball (Becker and Fuchs 1988), so its margin counts for more than the iris.
"""

import math
from typing import NamedTuple

from rtc_server.focus.geometry.head_pose import HeadPose
from rtc_server.focus.geometry.rotation import dot
from rtc_server.focus.state import Angles

EYEBALL_RADIUS = 0.117
"""Centre of rotation to the pupil: 10.5 mm (cornea 13.5 mm in front of the centre, Fry and Hill 1962,
pupil 3 mm behind it), in units of 90 mm."""
EYEBALL_DEPTH = 0.09
"""The centre of rotation behind the middle of the eye corners: about 8 mm."""
PUPIL_HEIGHT = 0.013
"""A pupil looking straight ahead stands above the line through the eye corners: about 1.2 mm."""
LID_HEIGHT = 0.062
"""The upper lid's margin above that line, looking straight ahead: about 5 mm. Wide-eyed or drooping
people differ by 2 mm, which their neutral takes up."""
LID_TRAVEL = 0.0012
"""How far the upper lid goes with each degree of gaze: 0.16 mm (a 12 mm ball turning under it, followed
with a gain of 0.8)."""
IRIS_GAIN_DOWN = 0.4
"""Up and down, the mesh's iris moves by this share of what it should. Measured, as is the lid's travel, on
people who nod while they look into the camera: their eyes turn back as far as the head turns."""
IRIS_SHARE = 0.7
"""Weight of the iris beside the lid, up and down: corrected for its gain it is twice as noisy."""
USUAL_APERTURE = 0.29
"""Opening over width of an open eye in the mesh: 0.24 to 0.36 between people."""
FULLY_SIDED_DEG = 20.0
"""Head yaw from which only the nearer eye counts: the other's corner is behind the nose's bridge."""
STRAY_IRIS = 0.10
"""An iris this far from the middle of its eye is none: half an eye's width is 0.15, less the iris' own
radius of 0.065, and a little."""
_MAX_SINE = 0.95


class Gaze(NamedTuple):
    """What the two eyes of one face say."""

    angles: Angles
    """Head and eyes together, against the line of sight. Meaningless behind closed lids."""
    apertures: tuple[float, float]
    """Opening over width, of the eye on the picture's left and of the one on its right."""
    weights: tuple[float, float]
    """How well each is seen; they sum to 1."""
    trust: float
    """0 to 1: how plausible the irises are."""


def gaze(pose: HeadPose) -> Gaze:
    """Both eyes of a posed mesh, weighed by how well each is seen."""
    nearer = pose.angles.yaw_deg / (2 * FULLY_SIDED_DEG)
    left_yaw, left_pitch, left_aperture, left_seen = _eye(pose, 0, 0.5 + nearer)
    right_yaw, right_pitch, right_aperture, right_seen = _eye(pose, 1, 0.5 - nearer)
    total = left_seen + right_seen
    left, right = left_seen / total, right_seen / total
    return Gaze(
        angles=Angles(left * left_yaw + right * right_yaw, left * left_pitch + right * right_pitch),
        apertures=(left_aperture, right_aperture),
        weights=(left, right),
        trust=min(1.0, total),
    )


def _eye(pose: HeadPose, side: int, nearer: float) -> tuple[float, float, float, float]:
    """Yaw and pitch of its gaze, its aperture, and 0 to 1 how well it is seen."""
    right, down, back = pose.rotation
    corners, lid, opening, iris = pose.eyes[side]
    # From the ball's centre to the iris, against the ball's radius.
    x = (iris[0] + PUPIL_HEIGHT * down[0] - EYEBALL_DEPTH * back[0]) / EYEBALL_RADIUS
    y = (iris[1] + PUPIL_HEIGHT * down[1] - EYEBALL_DEPTH * back[1]) / EYEBALL_RADIUS
    sine = math.hypot(x, y)
    if sine > _MAX_SINE:
        x, y = x * _MAX_SINE / sine, y * _MAX_SINE / sine
    head = pose.angles.pitch_deg
    by_iris = (math.degrees(math.asin(-y)) - head) / IRIS_GAIN_DOWN
    by_lid = (-dot(lid, down) - LID_HEIGHT) / LID_TRAVEL
    width = math.hypot(dot(corners, right), dot(corners, down))
    plausible = 1 - (dot(iris, right) / STRAY_IRIS) ** 4
    return (
        math.degrees(math.atan2(x, math.sqrt(1 - x * x - y * y))),
        head + IRIS_SHARE * by_iris + (1 - IRIS_SHARE) * by_lid,
        dot(opening, down) / max(width, 1e-6),
        max(0.01, min(1.0, nearer)) * max(0.02, plausible),
    )

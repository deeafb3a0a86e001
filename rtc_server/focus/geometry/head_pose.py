"""Where a head points, from its mesh: the rotation nearest to the least-squares map from a mean face.

Angles are taken against the line of sight, the line from the camera to the face: 0° is a face turned
to the camera, wherever in the picture it is. That is what "turned to the screen" depends on: a camera
stands at its screen, and a learner who slides along the desk keeps facing it. It also spares a guess:
against the line of sight a face looks the same through any lens, so the angles need no field of view
(MediaPipe fits its mesh in weak perspective, too). Against the camera's axis, a face at the edge of a
60° picture would be off by 30°. What is left of perspective, a near face's larger nose, costs less
than a tenth of an angle at 40 cm.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtc_server.focus.geometry.canonical_face import FACE_VECTORS, USED_POINTS
from rtc_server.focus.geometry.rotation import Rotation, Vector, nearest_rotation
from rtc_server.focus.state import Angles


class HeadPose(NamedTuple):
    """One head's place and turn."""

    angles: Angles
    rotation: Rotation
    """From the head's frame to that of a camera which looks straight at the face."""
    scale_px: float
    """Length of the canonical face's unit (outer eye corners) in pixels, unforeshortened."""
    eyes: tuple[list[Vector], list[Vector]]
    """Of the eye on the picture's left and of the other, the four of `FACE_VECTORS`: in that camera frame, in
    canonical units."""


def head_pose(points: NDArray[np.float32], width: int, height: int) -> HeadPose:
    """Fit the mean face to a mesh (478, 3) of a picture of width x height pixels."""
    vectors = FACE_VECTORS.dot(points.take(USED_POINTS, axis=0)).tolist()
    (right_x, right_y, _), down, back = fit = [(x * width, y * height, z * width) for x, y, z in vectors[:3]]
    rotation, scale_px = nearest_rotation((right_x, right_y, _depth_across(*fit)), down, back)
    scale_px = max(scale_px, 1e-6)
    across, along = width / scale_px, height / scale_px
    eyes = [(x * across, y * along, z * across) for x, y, z in vectors[3:]]
    back_x, back_y, back_z = rotation.back
    yaw, pitch = direction(-back_x, -back_y, -back_z)
    roll = math.degrees(math.atan2(rotation.right[1], rotation.right[0]))
    return HeadPose(Angles(yaw, pitch, roll), rotation, scale_px, (eyes[:4], eyes[4:]))


def direction(x: float, y: float, z: float) -> tuple[float, float]:
    """Yaw and pitch in degrees of a vector in the camera's frame; (0, 0, -1) looks into the camera."""
    return math.degrees(math.atan2(x, -z)), math.degrees(math.atan2(-y, math.hypot(x, z)))


def _depth_across(right: Vector, down: Vector, back: Vector) -> float:
    """The slope of depth across the face that goes with how its near and far parts shift sideways.

    The mesh's own depth lags behind when a head turns: it shows three quarters of the yaw that the points'
    places in the picture show. In the rotation roll * yaw * pitch both are the same sine; so roll is taken
    out by the tilt of the face's horizontal, pitch by its vertical, and what is left sideways is the yaw.
    """
    tilt = math.hypot(right[0], right[1]) or 1.0
    cos_roll, sin_roll = right[0] / tilt, right[1] / tilt
    side_y, side_z = cos_roll * down[0] + sin_roll * down[1], cos_roll * back[0] + sin_roll * back[1]
    down_y, down_z = cos_roll * down[1] - sin_roll * down[0], cos_roll * back[1] - sin_roll * back[0]
    lean = math.hypot(down_y, down_z) or 1.0
    return (side_y * down_z - side_z * down_y) / lean

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
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtc_server.focus.canonical_face import EYE_POINTS, LEAST_SQUARES, STABLE_POINTS
from rtc_server.focus.state import Angles

_USED = np.concatenate([STABLE_POINTS, EYE_POINTS])
_STABLE = len(STABLE_POINTS)
_FIT_AND_MIDDLE = np.column_stack([LEAST_SQUARES, np.full(_STABLE, 1 / _STABLE)])
"""(33, 4): takes the stable points to their linear map, and to their mean, in one go."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class HeadPose:
    """One head's place and turn."""

    angles: Angles
    rotation: Matrix
    """(3, 3): from the head's frame to that of a camera which looks straight at the face."""
    scale_px: float
    """Length of the canonical face's unit (outer eye corners) in pixels, unforeshortened."""
    eyes: Matrix
    """(10, 3): `EYE_POINTS` in that camera frame, in canonical units, about the stable points' mean."""


def head_pose(points: NDArray[np.float32], width: int, height: int) -> HeadPose:
    """Fit the mean face to a mesh (478, 3) of a picture of width x height pixels."""
    mesh = points.take(_USED, axis=0) * np.array((width, height, width), dtype=np.float64)
    fitted = mesh[:_STABLE].T @ _FIT_AND_MIDDLE
    fit, middle = fitted[:, :3], fitted[:, 3]
    fit[2, 0] = _depth_across(fit.tolist())
    left, stretch, right = np.linalg.svd(fit)
    rotation = left @ right
    if _is_mirrored(rotation.tolist()):
        rotation -= 2 * np.outer(left[:, 2], right[2])
    (right_x, _, back_x), (right_y, _, back_y), (_, _, back_z) = rotation.tolist()
    scale_px = max(float(stretch[0] + stretch[1]) / 2, 1e-6)
    return HeadPose(
        angles=Angles(*direction(-back_x, -back_y, -back_z), roll_deg=math.degrees(math.atan2(right_y, right_x))),
        rotation=rotation,
        scale_px=scale_px,
        eyes=(mesh[_STABLE:] - middle) / scale_px,
    )


def direction(x: float, y: float, z: float) -> tuple[float, float]:
    """Yaw and pitch in degrees of a unit vector in the camera's frame; (0, 0, -1) looks into the camera."""
    return math.degrees(math.atan2(x, -z)), math.degrees(math.asin(min(1.0, max(-1.0, -y))))


def _depth_across(fit: list[list[float]]) -> float:
    """The slope of depth across the face that goes with how its near and far parts shift sideways.

    The mesh's own depth lags behind when a head turns: it shows three quarters of the yaw that the points'
    places in the picture show. In the rotation roll * yaw * pitch both are the same sine; so roll is taken
    out by the tilt of the face's horizontal, pitch by its vertical, and what is left sideways is the yaw.
    """
    (ax, ay, az), (bx, by, bz), _ = fit
    tilt = math.hypot(ax, bx) or 1.0
    cos_roll, sin_roll = ax / tilt, bx / tilt
    side_y, side_z = cos_roll * ay + sin_roll * by, cos_roll * az + sin_roll * bz
    down_y, down_z = cos_roll * by - sin_roll * ay, cos_roll * bz - sin_roll * az
    lean = math.hypot(down_y, down_z) or 1.0
    return (side_y * down_z - side_z * down_y) / lean


def _is_mirrored(matrix: list[list[float]]) -> bool:
    """Of an orthogonal matrix: is its determinant -1?"""
    (a, b, c), (d, e, f), (g, h, i) = matrix
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g) < 0

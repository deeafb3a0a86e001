"""Where a head points, from its mesh: a Procrustes fit under perspective.

Angles are taken against the line of sight, the line from the camera to the face: 0° is a face turned
to the camera, wherever in the picture it is. That is what "turned to the screen" depends on: a camera
stands at its screen, and a learner who slides along the desk keeps facing it.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtc_server.focus.canonical_face import CANONICAL_FACE, EYE_POINTS, SPREAD, STABLE_POINTS
from rtc_server.focus.state import Angles

FIELD_OF_VIEW_DEG = 60.0
"""Assumed, along the picture's longer side: laptop and USB webcams have 55 to 75. Against the line of
sight the angles hardly depend on it: 50 or 75 in its place moves them by less than 2°."""

_TANGENT = math.tan(math.radians(FIELD_OF_VIEW_DEG / 2))

_USED = np.concatenate([STABLE_POINTS, EYE_POINTS])
_STABLE = len(STABLE_POINTS)

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class HeadPose:
    """One head's place and turn."""

    angles: Angles
    rotation: Matrix
    """(3, 3): from the head's frame to the camera's, the camera looking straight at the face."""
    scale_px: float
    """Length of the canonical face's unit (outer eye corners) in pixels, unforeshortened."""
    eyes: Matrix
    """(10, 3): `EYE_POINTS` in that camera frame, in canonical units, about the stable points' mean."""


def head_pose(points: NDArray[np.float32], width: int, height: int) -> HeadPose:
    """Fit the canonical face to a mesh (478, 3) of a picture of width x height pixels."""
    focal_px = max(width, height) / 2 / _TANGENT
    mesh = points[_USED] * np.array((width, height, width), dtype=np.float64)
    mesh -= (width / 2, height / 2, float(mesh[:_STABLE, 2].sum()) / _STABLE)
    # The face's own depth sets how far each point is magnified; at the mean depth a pixel is a pixel.
    mesh[:, :2] *= 1 + mesh[:, 2:] / focal_px
    stable = mesh[:_STABLE]
    middle = stable.sum(axis=0) / _STABLE
    # Orthogonal Procrustes (Kabsch 1976): the rotation with the least squared distances.
    left, singular, right = np.linalg.svd(stable.T @ CANONICAL_FACE)
    fit = left @ right
    if _is_mirrored(fit.tolist()):
        fit -= 2 * np.outer(left[:, 2], right[2])
        singular[2] *= -1
    scale_px = max(float(singular.sum()) / SPREAD, 1e-6)
    to_axis = _turn_to_axis(float(middle[0]), float(middle[1]), focal_px)
    rotation = to_axis @ fit
    return HeadPose(
        angles=Angles(*direction(-rotation[:, 2]), roll_deg=math.degrees(math.atan2(-rotation[0, 1], rotation[1, 1]))),
        rotation=rotation,
        scale_px=scale_px,
        eyes=(mesh[_STABLE:] - middle) @ to_axis.T / scale_px,
    )


def direction(vector: Matrix) -> tuple[float, float]:
    """Yaw and pitch in degrees of a unit vector in the camera's frame; (0, 0, -1) looks into the camera."""
    x, y, z = float(vector[0]), float(vector[1]), float(vector[2])
    return math.degrees(math.atan2(x, -z)), math.degrees(math.asin(min(1.0, max(-1.0, -y))))


def _turn_to_axis(x: float, y: float, focal: float) -> Matrix:
    """The smallest rotation that brings the ray through (x, y) onto the optical axis."""
    length = math.sqrt(x * x + y * y + focal * focal)
    a, b, c = x / length, y / length, focal / length
    k = 1 / (1 + c)
    return np.array([[1 - a * a * k, -a * b * k, -a], [-a * b * k, 1 - b * b * k, -b], [a, b, c]])


def _is_mirrored(matrix: list[list[float]]) -> bool:
    """Of an orthogonal matrix: is its determinant -1?"""
    (a, b, c), (d, e, f), (g, h, i) = matrix
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g) < 0

"""Everything that is measured of one face in one frame, as plain numbers."""

from typing import NamedTuple

from rtc_server.focus.geometry.gaze import gaze
from rtc_server.focus.geometry.head_pose import head_pose
from rtc_server.focus.observation import FaceLandmarks
from rtc_server.focus.state import Angles


class FaceMeasurement(NamedTuple):
    """Angles are against the line of sight, in degrees; see `state.Angles` for their signs."""

    head: Angles
    gaze: Angles
    """Head and eyes together. Meaningless behind closed lids."""
    apertures: tuple[float, float]
    """Opening over width of each eye, left and right in the picture."""
    eye_weights: tuple[float, float]
    """How well each eye is seen; they sum to 1."""
    eye_trust: float
    """0 to 1: how plausible the irises are."""
    eye_distance_px: float
    """Between the outer eye corners, as if seen straight on."""


def measure(face: FaceLandmarks, width: int, height: int) -> FaceMeasurement:
    """Measure a mesh in a picture of width x height pixels."""
    pose = head_pose(face.points, width, height)
    eyes = gaze(pose)
    return FaceMeasurement(pose.angles, eyes.angles, eyes.apertures, eyes.weights, eyes.trust, pose.scale_px)

"""Meshes written by hand: the mean face, posed and looking exactly as told. No MediaPipe.

Only the points that the judgement reads are right; the rest lie in the middle of the face.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rtc_server.focus.geometry import gaze as model
from rtc_server.focus.geometry.canonical_face import CANONICAL_FACE, STABLE_POINTS
from rtc_server.focus.observation import FaceLandmarks, FaceObservation, ImageQuality

WIDTH, HEIGHT = 640, 480
CLEAR = ImageQuality(brightness=110, contrast=40, sharpness=150, change=2.0)
PITCH_PRIOR_DEG = 5.0
"""What the neutral expects of a learner it knows nothing of; a sitter who looks like that is mid-screen."""
_PLACE = {int(index): CANONICAL_FACE[row] for row, index in enumerate(STABLE_POINTS)}
_OUTLINE = {152: (0.0, 1.19, 0.0), 234: (-0.75, 0.15, 0.75), 454: (0.75, 0.15, 0.75)}


@dataclass(frozen=True)
class Look:
    """A face in a picture. Degrees are against the line of sight, as the judgement gives them."""

    head_yaw: float = 0.0
    head_pitch: float = 4.0
    head_roll: float = 0.0
    gaze_yaw: float = 0.0
    gaze_pitch: float = PITCH_PRIOR_DEG
    openness: float = 1.0
    """Of the usual aperture; lids that are not open do not follow the gaze."""
    x: float = 0.5
    y: float = 0.5
    size_px: float = 90.0
    """Between the outer eye corners."""


SCREEN = Look()
LEFT = Look(gaze_yaw=-25.0)
RIGHT = Look(gaze_yaw=25.0)
UP = Look(head_pitch=16.0, gaze_pitch=32.0)
DOWN = Look(head_pitch=-14.0, gaze_pitch=-25.0)
TURNED = Look(head_yaw=45.0, gaze_yaw=45.0)
CLOSED = Look(openness=0.1)
DESK = Look(head_pitch=-22.0, openness=0.3)


def rotation(yaw_deg: float, pitch_deg: float, roll_deg: float = 0.0) -> NDArray[np.float64]:
    """From the head's frame to the camera's: x right, y down, z away."""
    yaw, pitch, roll = (math.radians(angle) for angle in (yaw_deg, pitch_deg, roll_deg))
    about_y = np.array([[math.cos(yaw), 0, -math.sin(yaw)], [0, 1, 0], [math.sin(yaw), 0, math.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, math.cos(pitch), math.sin(pitch)], [0, -math.sin(pitch), math.cos(pitch)]])
    about_z = np.array([[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def mesh(look: Look, width: int = WIDTH, height: int = HEIGHT) -> FaceLandmarks:
    turn = rotation(look.head_yaw, look.head_pitch, look.head_roll)
    points = np.zeros((478, 3))
    for index, place in (_PLACE | _OUTLINE).items():
        points[index] = turn @ place
    for outer, inner, upper, lower, iris in ((33, 133, 159, 145, 468), (263, 362, 386, 374, 473)):
        middle = (_PLACE[outer] + _PLACE[inner]) / 2
        eye_width = math.dist(_PLACE[outer][:2], _PLACE[inner][:2])
        centre = turn @ (middle + np.array([0, -model.PUPIL_HEIGHT, model.EYEBALL_DEPTH]))
        eye_pitch = look.gaze_pitch - look.head_pitch
        sideways = math.sin(math.radians(look.gaze_yaw)) * math.cos(math.radians(look.gaze_pitch))
        seen_pitch = look.head_pitch + model.IRIS_GAIN_DOWN * eye_pitch
        points[iris] = centre + model.EYEBALL_RADIUS * np.array([sideways, -math.sin(math.radians(seen_pitch)), -0.5])
        aperture = model.USUAL_APERTURE * eye_width * look.openness
        top = model.LID_HEIGHT + model.LID_TRAVEL * eye_pitch if look.openness == 1.0 else aperture / 2
        points[upper] = turn @ (middle - np.array([0, top, 0]))
        points[lower] = turn @ (middle + np.array([0, aperture - top, 0]))
    points *= look.size_px
    points[:, :2] += (look.x * width, look.y * height)
    return FaceLandmarks((points / (width, height, width)).astype(np.float32))


def seen(at_s: float, *looks: Look, quality: ImageQuality = CLEAR) -> FaceObservation:
    return FaceObservation(at_s, WIDTH, HEIGHT, tuple(mesh(look) for look in looks), quality)


Shown = Look | tuple[Look, ...] | ImageQuality
"""One face, several or none, or a flawed picture of a sitter."""


def acted(*scenes: tuple[float, Shown], fps: float = 15.0) -> Iterator[FaceObservation]:
    """Scenes of so many seconds each."""
    start_s = 0.0
    cache: dict[int, FaceObservation] = {}
    frame = 0
    for scene, (seconds, shown) in enumerate(scenes):
        while frame / fps < start_s + seconds - 1e-9:
            if scene not in cache:
                cache[scene] = _scene(shown)
            yield replace(cache[scene], media_time_s=frame / fps)
            frame += 1
        start_s += seconds


def _scene(shown: Shown) -> FaceObservation:
    if isinstance(shown, ImageQuality):
        return seen(0.0, SCREEN, quality=shown)
    looks: Iterable[Look] = (shown,) if isinstance(shown, Look) else shown
    return seen(0.0, *looks)


def mirrored(face: FaceLandmarks) -> FaceLandmarks:
    """As in a mirror: what was on the picture's left is on its right, under the other side's index."""
    points = face.points.copy()
    pairs = [(int(left), int(right)) for left, right in zip(STABLE_POINTS[11:22], STABLE_POINTS[22:], strict=True)]
    for left, right in [*pairs, (159, 386), (145, 374), (468, 473), (234, 454)]:
        points[[left, right]] = points[[right, left]]
    points[:, 0] = 1 - points[:, 0]
    return FaceLandmarks(points)

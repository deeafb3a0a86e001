"""How far a face's gaze can be believed in each frame: its standard deviation.

It has a floor for well seen eyes, grows on small faces, behind low lids and with irises where none can be, and
follows how much the gaze differs between neighbouring frames just now.
"""

import math
from dataclasses import dataclass

from rtc_server.focus.geometry.gaze import EYEBALL_RADIUS, IRIS_GAIN_DOWN
from rtc_server.focus.geometry.measurement import FaceMeasurement

GAZE_YAW_DEVIATION_DEG, GAZE_PITCH_DEVIATION_DEG = 2.0, 4.0
"""Standard deviation of a gaze from well seen eyes, beside that of the learner's neutral."""
LANDMARK_DEVIATION_PX = 0.15
"""Of an iris. On a face with 16 pixels between the eyes' outer corners that is 4.6° of gaze, on a usual one 0.5°."""
LOW_LIDS_OPENNESS = 0.8
"""Lids below it hide so much of the iris that up and down becomes guesswork..."""
LOW_LIDS_FACTOR = 4.0
"""...by this factor at closed lids, and less in between."""
NOISE_MEMORY_S = 2.0
"""Deep-set eyes, a smeared picture or a lamp's reflection come and go within seconds."""
OUTLIER = 4.0
"""A difference counts for so many times the usual one at most: a saccade or a blink is no noise."""
_DEVIATION = 0.886
"""Standard deviation of normal noise over the mean difference of two samples of it: half the root of pi."""


@dataclass(slots=True)
class _Jitter:
    """How much one angle differs between neighbouring frames."""

    usual_deg: float
    """Standard deviation of a well seen one, in degrees: less is not believed."""
    _difference_deg: float = 0.0
    _last_deg: float | None = None

    def __post_init__(self) -> None:
        self._difference_deg = self.usual_deg / _DEVIATION

    def observe(self, angle_deg: float, seconds: float) -> None:
        """The angle in the next frame, `seconds` after the last one."""
        if self._last_deg is not None:
            difference = min(abs(angle_deg - self._last_deg), OUTLIER * self._difference_deg)
            self._difference_deg += (difference - self._difference_deg) * min(1.0, seconds / NOISE_MEMORY_S)
        self._last_deg = angle_deg

    @property
    def deviation_deg(self) -> float:
        """Standard deviation, in degrees."""
        return max(self.usual_deg, _DEVIATION * self._difference_deg)


class GazeNoise:
    """How far the gaze of this face can be believed, frame by frame."""

    def __init__(self) -> None:
        self._yaw, self._pitch = _Jitter(GAZE_YAW_DEVIATION_DEG), _Jitter(GAZE_PITCH_DEVIATION_DEG)

    def observe(self, face: FaceMeasurement, openness: float, seconds: float) -> None:
        """Behind low lids nothing is learned."""
        if openness >= LOW_LIDS_OPENNESS:
            self._yaw.observe(face.gaze.yaw_deg, seconds)
            self._pitch.observe(face.gaze.pitch_deg, seconds)

    def deviations(self, face: FaceMeasurement, openness: float) -> tuple[float, float]:
        """Standard deviations of this frame's gaze yaw and pitch, in degrees."""
        landmark = math.degrees(LANDMARK_DEVIATION_PX / (EYEBALL_RADIUS * face.eye_distance_px))
        low_lids = 1 + (LOW_LIDS_FACTOR - 1) * max(0.0, 1 - openness / LOW_LIDS_OPENNESS)
        yaw = math.hypot(self._yaw.deviation_deg, landmark)
        pitch = math.hypot(self._pitch.deviation_deg, landmark / IRIS_GAIN_DOWN)
        return yaw / face.eye_trust, pitch * low_lids / face.eye_trust

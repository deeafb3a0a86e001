"""The screen's place and extent in this learner's gaze angles, learned from looking at five dots.

The page shows a dot at each of `TARGETS` in turn; the gaze towards each is the median over the time the
eyes rested on it. An affine map from screen to gaze is fitted to the five, which also takes up kappa, the
camera's place and the mesh's own bias. Its error is that of predicting the gaze towards dots shown after the
five, which the fit has never seen; without any, that of predicting each of the five from the other four.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from rtc_server.errors import CalibrationFailed
from rtc_server.focus.state import Angles

TARGETS = ((0.5, 0.5), (0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9))
"""In widths and heights of the screen from its top left corner. Two seconds each, so 10 s in all."""
SETTLE_S = 0.7
"""The eyes need so long to find a new dot: 0.2 s to start, 0.1 s to move, and time to notice it."""
LONGEST_S = 5.0
"""A dot is not looked at for longer: a page that went away in between leaves no more than this behind."""
MIN_SAMPLES = 5
"""A median of fewer says little."""
MIN_EXTENT_DEG = 3.0
"""A phone at 60 cm spans 6°. Dots that seem closer together than this were not looked at."""
MAX_EXTENT_DEG = 80.0
"""A 49-inch screen (120 cm) at 70 cm spans 81°. Who looks further was not looking at a screen's dots."""
MIN_SPREAD = 0.4
"""Least singular value of the dots' places; that of `TARGETS` is 0.8. Less would let noise draw the screen."""
GOOD_DEG, FAIR_DEG = 2.5, 5.0
"""Webcam gaze from meshes is good to 3 to 5° at best; twice that would blur a laptop's screen into its surroundings."""
DRIFT_DEG = 5.0
"""The learner's usual gaze on the screen has moved by more: the seat or the camera has."""
MARGIN_DEG = 3.0
"""Around the screen, at least: its frame is no distraction."""


class Quality(StrEnum):
    GOOD = "good"
    FAIR = "fair"
    POOR = "poor"
    """Not to be used."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Where this learner's screen is, in gaze angles against the line of sight."""

    centre: Angles
    half_width_deg: float
    half_height_deg: float
    error_deg: float
    """Mean error of predicting the gaze towards dots from other dots."""

    @property
    def quality(self) -> Quality:
        if self.error_deg > min(self.half_width_deg, self.half_height_deg):
            # As far off as from the screen's middle to its edge: chance can do that.
            return Quality.POOR
        if self.error_deg <= GOOD_DEG:
            return Quality.GOOD
        return Quality.FAIR if self.error_deg <= FAIR_DEG else Quality.POOR

    @property
    def margin_deg(self) -> float:
        """How far outside the screen a gaze may seem to be and still be on it."""
        return max(MARGIN_DEG, 1.5 * self.error_deg)

    def drift_deg(self, usual: Angles) -> float:
        """How far the usual gaze has moved from the screen's centre since."""
        return math.hypot(usual.yaw_deg - self.centre.yaw_deg, usual.pitch_deg - self.centre.pitch_deg)


class Calibrator:
    """Collects gaze while the page shows its dots."""

    def __init__(self) -> None:
        self._samples: dict[tuple[float, float], list[tuple[float, float]]] = {}
        self._target: tuple[float, float] | None = None
        self._since_s = 0.0

    def look_at(self, x: float, y: float, at_s: float) -> None:
        """From now on a dot is shown here, in screen widths and heights."""
        self._target, self._since_s = (x, y), at_s
        self._samples[x, y] = []

    def add(self, gaze: Angles, at_s: float) -> None:
        """The gaze in one frame, with open eyes."""
        if self._target is not None and SETTLE_S <= at_s - self._since_s <= LONGEST_S:
            self._samples[self._target].append((gaze.yaw_deg, gaze.pitch_deg))

    def finish(self) -> Calibration:
        """Dots at which too little was seen are left out.

        Raises CalibrationFailed: fewer dots than `TARGETS` has are left, or they were not looked at.
        """
        seen = {target: samples for target, samples in self._samples.items() if len(samples) >= MIN_SAMPLES}
        if len(seen) < len(TARGETS):
            raise CalibrationFailed("The eyes were not seen long enough at each dot.")
        gazes = [np.median(np.array(samples), axis=0) for samples in seen.values()]
        return fitted(list(seen), [(float(yaw), float(pitch)) for yaw, pitch in gazes])


def fitted(targets: Sequence[tuple[float, float]], gazes: Sequence[tuple[float, float]]) -> Calibration:
    """Fit the gaze (yaw, pitch) towards the first five targets; any further ones only tell its error.

    Raises CalibrationFailed: the gaze did not follow the dots, or they are too much in a line.
    """
    fit, held_out = slice(len(TARGETS)), slice(len(TARGETS), None)
    every_place = np.array([(1.0, x - 0.5, y - 0.5) for x, y in targets])
    every_gaze = np.array(gazes, dtype=np.float64)
    places, seen = every_place[fit], every_gaze[fit]
    if float(np.linalg.svd(places, compute_uv=False)[-1]) < MIN_SPREAD:
        raise CalibrationFailed("The dots are not spread over the screen.")
    affine = np.linalg.lstsq(places, seen, rcond=None)[0]
    # The picture is not mirrored: what is on the learner's right, the screen's right, is on its left.
    width, height = -float(affine[1, 0]), -float(affine[2, 1])
    if min(width, height) < MIN_EXTENT_DEG or max(width, height) > MAX_EXTENT_DEG:
        raise CalibrationFailed("The gaze did not follow the dots.")
    if len(targets) > len(TARGETS):
        misses = every_place[held_out] @ affine - every_gaze[held_out]
    else:
        misses = _each_from_the_others(places, seen)
    return Calibration(
        centre=Angles(float(affine[0, 0]), float(affine[0, 1])),
        half_width_deg=width / 2,
        half_height_deg=height / 2,
        error_deg=float(np.linalg.norm(misses, axis=1).mean()),
    )


def _each_from_the_others(places: NDArray[np.float64], seen: NDArray[np.float64]) -> NDArray[np.float64]:
    """By how much (yaw, pitch) each gaze is missed by a fit to all but itself."""
    misses = np.empty_like(seen)
    for held in range(len(places)):
        others = np.arange(len(places)) != held
        rest = np.linalg.lstsq(places[others], seen[others], rcond=None)[0]
        misses[held] = places[held] @ rest - seen[held]
    return misses

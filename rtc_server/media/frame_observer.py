"""Turns a decoded frame into an observation. Live video and clips both use it."""

from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from rtc_server.focus.observation import FaceLandmarks, FaceObservation, Seen, StillPicture
from rtc_server.media.face_tracker import FaceTracker
from rtc_server.media.image_quality import coarse_grid, contrast, eye_strip, measured
from rtc_server.media.landmarker_pool import LandmarkerPool
from rtc_server.media.picture import Luma, Picture

STILL_PICTURE = 0.03
"""Mean luma difference on the coarse grid up to which a picture counts as unchanged, as a share of the
grid's own contrast, so that it means the same in the dark. Noise and coding make 0.02 to 0.03, in bad light 0.04."""
STILL_EYES = 0.1
"""The same over the strip around the eyes: noise and coding make 0.05 to 0.1, a glance or a blink 0.2 and more."""


@dataclass(frozen=True, slots=True)
class _Analysed:
    """What is kept of the picture last analysed, to tell whether the next one is still."""

    grid: NDArray[np.float32]
    luma: Luma
    face: FaceLandmarks | None
    """The largest."""


class FrameObserver:
    """Observes one stream. One call at a time, from any thread except an event loop's."""

    def __init__(self, pool: LandmarkerPool) -> None:
        self._pool = pool
        self._tracker = FaceTracker()
        self._reformatter = VideoReformatter()
        self._grid: NDArray[np.float32] | None = None
        """Coarse grid of the last frame, analysed or not."""
        self._analysed: _Analysed | None = None

    def observe(self, frame: av.VideoFrame, media_time_s: float, *, skip_if_still: bool = False) -> Seen:
        """The observation; StillPicture if `skip_if_still` and it hardly differs from the one last analysed."""
        picture = Picture(frame, self._reformatter)
        grid = coarse_grid(picture.luma)
        change = 0.0 if self._grid is None else _difference(grid, self._grid)
        self._grid = grid
        if skip_if_still and self._still(picture.luma, grid):
            return StillPicture(media_time_s)
        with self._pool.borrow() as landmarker:
            followed = self._tracker.follow(landmarker, picture, grid, media_time_s)
        largest = max(followed, key=attrgetter("box.area"), default=None)
        self._analysed = _Analysed(grid, picture.luma, largest.landmarks if largest else None)
        return FaceObservation(
            media_time_s,
            picture.width,
            picture.height,
            faces=tuple(one.landmarks for one in followed),
            quality=measured(picture.luma, largest.box if largest else None, change),
        )

    def _still(self, luma: NDArray[np.uint8], grid: NDArray[np.float32]) -> bool:
        before = self._analysed
        if before is None or _difference(grid, before.grid) > STILL_PICTURE * contrast(before.grid):
            return False
        if before.face is None:
            return True
        eyes, eyes_before = eye_strip(luma, before.face), eye_strip(before.luma, before.face)
        return eyes.shape == eyes_before.shape and _difference(eyes, eyes_before) <= STILL_EYES * contrast(eyes_before)


def _difference(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Mean absolute difference; 0 if both are empty."""
    return cv2.norm(one, other, cv2.NORM_L1) / one.size if one.size else 0.0

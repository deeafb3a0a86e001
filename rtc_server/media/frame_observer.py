"""From a decoded frame to an observation: the one way that live video and clips share."""

from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from rtc_server.focus.observation import FaceLandmarks, FaceObservation
from rtc_server.media.face_landmarker import LandmarkerPool
from rtc_server.media.face_tracker import FaceTracker
from rtc_server.media.image_quality import coarse_grid, eye_strip, luma_of, measured

STILL_GRID = 2.0
"""Mean luma difference on the coarse grid up to which a picture counts as unchanged: noise and coding
make 0.2 to 1, a head that moves by a tenth of its width 4 and more."""
STILL_EYES = 6.0
"""The same over the strip around the eyes: noise and coding make 1 to 4, a glance or a blink 8 and more."""

_PLANAR = frozenset({"yuv420p", "yuvj420p"})


class FrameObserver:
    """Watches one stream. One call at a time, from any thread but an event loop's."""

    def __init__(self, pool: LandmarkerPool) -> None:
        self._pool = pool
        self._tracker = FaceTracker()
        self._to_rgb = VideoReformatter()
        self._to_yuv = VideoReformatter()
        self._grid: NDArray[np.float32] | None = None
        """Of the last frame seen, analysed or not."""
        self._analysed: tuple[NDArray[np.float32], NDArray[np.uint8] | None, FaceLandmarks | None] | None = None
        """Of the last frame analysed: its coarse grid, the strip over the eyes, and the largest face."""

    def observe(
        self, frame: av.VideoFrame, media_time_s: float, *, skip_if_still: bool = False
    ) -> FaceObservation | None:
        """None only with `skip_if_still`, when the picture hardly differs from the one last analysed."""
        if frame.format.name not in _PLANAR:
            frame = self._to_yuv.reformat(frame, format="yuv420p", threads=1)
        luma = luma_of(frame)
        grid = coarse_grid(luma)
        change = 0.0 if self._grid is None or self._grid is grid else _difference(grid, self._grid)
        self._grid = grid
        if skip_if_still and self._still(luma, grid):
            return None
        # Converting without scaling is faster than converting less (0.5 ms against 1.4 ms at 720p):
        # the mesh and the detector cut out and scale what they need by themselves.
        rgb: NDArray[Any] = self._to_rgb.reformat(frame, format="rgb24", threads=1).to_ndarray()
        with self._pool.borrow() as landmarker:
            faces = self._tracker.faces(landmarker, landmarker.picture(rgb), grid, media_time_s)
        largest = max(faces, key=_size, default=None)
        self._analysed = grid, None if largest is None else eye_strip(luma, largest), largest
        return FaceObservation(media_time_s, frame.width, frame.height, faces, measured(luma, largest, change))

    def _still(self, luma: NDArray[np.uint8], grid: NDArray[np.float32]) -> bool:
        if self._analysed is None:
            return False
        analysed_grid, analysed_eyes, face = self._analysed
        if grid.shape != analysed_grid.shape or _difference(grid, analysed_grid) > STILL_GRID:
            return False
        if face is None or analysed_eyes is None:
            return True
        return _difference(eye_strip(luma, face), analysed_eyes) <= STILL_EYES


def _difference(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Mean absolute difference; 0 for nothing."""
    apart: NDArray[np.float32] = np.abs(np.subtract(one, other, dtype=np.float32)).ravel()
    return float(np.add.reduce(apart)) / max(1, apart.size)


def _size(face: FaceLandmarks) -> float:
    return float(np.ptp(face.points[:, 0]) * np.ptp(face.points[:, 1]))

"""Light, focus and movement, from the luma plane as the decoder left it."""

from math import ceil, hypot
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from rtc_server.focus.observation import FaceLandmarks, ImageQuality
from rtc_server.media.picture import Luma
from rtc_server.media.region import Box

_PATCH_SAMPLES = 64
"""Samples across the face, or across the picture without one. The same for every picture size, so
that contrast and sharpness mean the same near and far, at 320x240 and at 1080p."""
_GRID = (24, 32)
"""Rows and columns of the coarse grid. Each cell is the mean of four samples, which reduces a sensor's noise."""
_BLACK, _WHITE = 16, 235
"""Luma of black and white in a `Picture`."""
_LEVELS = 255 / (_WHITE - _BLACK)
"""Scales luma to the range of `ImageQuality`: 0 (black) to 255 (white)."""
_CLIPPED = _WHITE - 3
"""Luma from which a pixel counts as white; coding changes it a little."""
_OUTER_EYE_CORNERS = (33, 263)
"""Their landmarks in the mesh."""


def coarse_grid(luma: Luma) -> NDArray[np.float32]:
    """Mean luma of each cell of `_GRID`."""
    down, across = _GRID
    samples = cv2.resize(luma, (2 * across, 2 * down), interpolation=cv2.INTER_NEAREST)
    cells: Any = cv2.resize(samples.astype(np.float32), (across, down), interpolation=cv2.INTER_AREA)
    return np.asarray(cells)


def outside(boxes: list[Box]) -> NDArray[np.bool_]:
    """(24, 32): True for the cells of the coarse grid that lie outside all boxes."""
    free = np.ones(_GRID, np.bool_)
    for box in boxes:
        top, bottom = (min(max(value, 0.0), 1.0) * _GRID[0] for value in (box.top, box.bottom))
        left, right = (min(max(value, 0.0), 1.0) * _GRID[1] for value in (box.left, box.right))
        free[int(top) : ceil(bottom), int(left) : ceil(right)] = False
    return free


def eye_strip(luma: Luma, face: FaceLandmarks) -> Luma:
    """Luma around both eyes, where a glance changes the most. For the same `face`, which may be that of an
    earlier picture, it has the same place and shape."""
    height, width = luma.shape
    (one_x, one_y), (other_x, other_y) = (face.points[corner, :2].tolist() for corner in _OUTER_EYE_CORNERS)
    margin = 0.15 * hypot((other_x - one_x) * width, (other_y - one_y) * height)
    across, down = margin / width, margin / height
    left, right, top, bottom = min(one_x, other_x), max(one_x, other_x), min(one_y, other_y), max(one_y, other_y)
    return _patch(luma, Box(left - across, top - down, right + across, bottom + down))


def contrast(values: NDArray[Any]) -> float:
    """Standard deviation."""
    return _mean_and_deviation(values)[1]


def measured(luma: Luma, face: Box | None, change: float) -> ImageQuality:
    """Quality of the picture inside the face's box; without a face, of the whole picture. `change` is passed through.

    For a whole picture each sample is the mean of the pixels around it, so that a sensor's noise adds no contrast.
    """
    patch = _patch(luma, face) if face else _averaged(luma)
    if patch.size == 0:
        patch = _averaged(luma)
    brightness, deviation = _mean_and_deviation(patch)
    _, edges = _mean_and_deviation(cv2.Laplacian(patch, cv2.CV_16S)[1:-1, 1:-1])
    clipped = np.count_nonzero(patch >= _CLIPPED) / max(1, patch.size)
    light = max(0.0, brightness - _BLACK) * _LEVELS
    return ImageQuality(light, deviation * _LEVELS, (edges * _LEVELS) ** 2, change, clipped)


def _mean_and_deviation(values: NDArray[Any]) -> tuple[float, float]:
    """Zeros if `values` is empty."""
    if values.size == 0:
        return 0.0, 0.0
    mean, deviation = cv2.meanStdDev(values)
    return mean.item(), deviation.item()


def _pixels(luma: Luma, box: Box) -> Luma:
    height, width = luma.shape
    top, bottom = (int(min(max(value, 0.0), 1.0) * height) for value in (box.top, box.bottom))
    left, right = (int(min(max(value, 0.0), 1.0) * width) for value in (box.left, box.right))
    return luma[top:bottom, left:right]


def _averaged(luma: Luma) -> Luma:
    """The whole picture, `_PATCH_SAMPLES` wide."""
    height, width = luma.shape
    across = min(width, _PATCH_SAMPLES)
    down = max(1, round(height * across / width))
    return np.asarray(cv2.resize(luma, (across, down), interpolation=cv2.INTER_AREA), np.uint8)


def _patch(luma: Luma, box: Box) -> Luma:
    pixels = _pixels(luma, box)
    step = max(1, round(pixels.shape[1] / _PATCH_SAMPLES))
    return np.ascontiguousarray(pixels[::step, ::step])

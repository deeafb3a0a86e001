"""What one frame showed: geometry and light, no pixels and no judgement."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class FaceLandmarks:
    """One face's mesh."""

    points: NDArray[np.float32]
    """(478, 3): MediaPipe FaceMesh with irises. x and y in picture widths and heights from the
    top left corner (0 to 1 inside the picture), z in picture widths, negative towards the camera."""


@dataclass(frozen=True, slots=True)
class ImageQuality:
    """How much the picture can be trusted."""

    brightness: float
    """Mean level of the watched face, or of the picture when there is none; 0 (black) to 255 (white)."""
    contrast: float
    """Standard deviation of the levels over the same area, of a whole picture without its noise; 0 to 127.5."""
    sharpness: float
    """Variance of the Laplacian of the levels over the same area."""
    change: float
    """Mean absolute luma difference from the frame before, on a coarse grid; 0 for a frozen picture."""
    clipped: float = 0.0
    """Share of the same area that is as good as white: light has washed out what was there; 0 to 1."""


@dataclass(frozen=True, slots=True)
class FaceObservation:
    """All that is kept of one analysed frame."""

    media_time_s: float
    """The frame's own time, from RTP, from the start of the FocusSession."""
    width: int
    height: int
    """Size of the displayed picture, in pixels: landmarks are scaled by it."""
    faces: tuple[FaceLandmarks, ...]
    """In no meaningful order. Empty: nobody was found."""
    quality: ImageQuality


@dataclass(frozen=True, slots=True)
class StillPicture:
    """A frame that hardly differs from the last one observed: what that one showed, this one shows too."""

    media_time_s: float


Seen = FaceObservation | StillPicture
"""What one frame is to whoever looked at it."""

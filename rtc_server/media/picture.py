"""One decoded picture, and what is taken out of it: its luma, a face, or all of it in RGB.

A decoder gives brightness (luma, Y) and colour (chroma, U and V at half the size) in planes of their own.
A face is cut out of the planes as they are and only then converted, so that the pixels around it, nine of
ten and more, are neither converted nor copied.
"""

from math import cos, sin
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, VideoReformatter
from numpy.typing import NDArray

from rtc_server.media.region import Region

Luma = NDArray[np.uint8]
"""(height, width), one byte a pixel: the Y of YUV 4:2:0, black at 16 and white at 235."""
Rgb = NDArray[np.uint8]
"""(height, width, 3)."""

_PLANAR = "yuv420p"
_RANGE = ColorRange.MPEG
"""Luma from 16 (black) to 235 (white), as browsers send it. What a stream marks as full range is brought to it, so
that a level means the same of every stream. Chromium sends the full range of a camera's JPEGs unmarked: nothing tells
those apart, and they read a little too dark."""
# On the calling thread: how many pictures are looked at at once is decided elsewhere.
cv2.setNumThreads(1)


class Picture:
    """What it gives are views of the decoder's memory where nothing had to be converted: read only."""

    def __init__(self, frame: av.VideoFrame, reformatter: VideoReformatter | None = None) -> None:
        """Of any format; YUV 4:2:0, what browsers send, is taken as it is.

        `reformatter` converts the others; give the same one for all pictures of a stream, since it is slow to make.
        """
        self._reformatter = reformatter or VideoReformatter()
        if frame.format.name != _PLANAR or frame.color_range == ColorRange.JPEG:
            frame = self._reformatter.reformat(frame, format=_PLANAR, dst_color_range=_RANGE, threads=1)
        self.width, self.height = frame.width, frame.height
        self._frame = frame
        luma, blue, red = frame.planes
        self.luma: Luma = _pixels(luma, frame.height, frame.width)
        self._blue, self._red = blue, red

    def rgb(self) -> Rgb:
        """All of it."""
        rgb: NDArray[Any] = self._reformatter.reformat(self._frame, format="rgb24", threads=1).to_ndarray()
        return rgb

    def cut(self, region: Region, size: int) -> Rgb:
        """`region` upright and scaled to `size` (even) pixels a side; beyond its edges the picture goes on as there.

        Between pixels it is bilinear, and a pixel of the cut is sampled at its top left corner: as MediaPipe's
        ImageToTensorCalculator does it. Colour is that of the nearest sample, as when a whole picture is converted.
        """
        yuv = np.empty((size * 3 // 2, size), np.uint8)
        scale = region.size / size
        right, down = scale * cos(region.turn_rad), scale * sin(region.turn_rad)
        half = size / 2
        left, top = region.x - half * (right - down), region.y - half * (down + right)
        _sample(self.luma, right, down, left, top, yuv[:size], cv2.INTER_LINEAR)
        # A sample of colour lies in the middle of its four of brightness, both here and there.
        left, top = (left + (right - down - 1) / 2) / 2, (top + (down + right - 1) / 2) / 2
        height, width = (self.height + 1) // 2, (self.width + 1) // 2
        blue, red = yuv[size:].reshape(2, size // 2, size // 2)
        _sample(_pixels(self._blue, height, width), right, down, left, top, blue, cv2.INTER_NEAREST)
        _sample(_pixels(self._red, height, width), right, down, left, top, red, cv2.INTER_NEAREST)
        rgb: Any = cv2.cvtColor(yuv, cv2.COLOR_YUV2RGB_I420)
        return np.asarray(rgb)


def _pixels(plane: Any, height: int, width: int) -> NDArray[np.uint8]:
    rows = np.frombuffer(plane, np.uint8, count=plane.line_size * height)
    return rows.reshape(height, plane.line_size)[:, :width]


def _sample(
    source: NDArray[np.uint8], right: float, down: float, left: float, top: float, into: NDArray[np.uint8], between: int
) -> None:
    """Fill the square `into`: its corner is at (left, top), a step to its right goes (right, down).

    `between` the samples: OpenCV's interpolation.
    """
    cv2.warpAffine(
        source,
        np.array(((right, -down, left), (down, right, top))),
        into.shape,
        dst=into,
        flags=between | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )

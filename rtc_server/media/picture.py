"""One decoded picture. It gives its luma, the cut of a face, or the whole picture in RGB.

A decoder gives brightness (luma, Y) and colour (chroma, U and V at half the size) in separate planes. A face is cut out
of these planes first and converted to RGB afterwards. So the other pixels, nine of ten or more, are not converted.
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
"""Luma from 16 (black) to 235 (white), as browsers send it. A stream that is marked as full range is converted, so that
a level means the same for every stream. Chromium sends a camera's JPEGs in full range without the mark. These cannot
be told apart, and their black counts as a little too dark."""
# OpenCV works on the calling thread: the analysis pool decides how many threads there are.
cv2.setNumThreads(1)


class Picture:
    """Its arrays may be views of the decoder's memory: do not write to them."""

    def __init__(self, frame: av.VideoFrame, reformatter: VideoReformatter | None = None) -> None:
        """frame: of any format. YUV 4:2:0, which browsers send, needs no conversion.

        reformatter: converts other formats. Pass the same one for all pictures of a stream: making one is slow.
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
        """The whole picture."""
        rgb: NDArray[Any] = self._reformatter.reformat(self._frame, format="rgb24", threads=1).to_ndarray()
        return rgb

    def cut(self, region: Region, size: int) -> Rgb:
        """`region`, turned upright and scaled to `size` (even) pixels a side. Outside the picture its edge is repeated.

        Brightness is interpolated (bilinear) at the top left corner of each pixel of the cut, as MediaPipe's
        ImageToTensorCalculator does. Colour is taken from the nearest sample, as for a whole picture.
        """
        yuv = np.empty((size * 3 // 2, size), np.uint8)
        scale = region.size / size
        right, down = scale * cos(region.turn_rad), scale * sin(region.turn_rad)
        half = size / 2
        left, top = region.x - half * (right - down), region.y - half * (down + right)
        _sample(self.luma, right, down, left, top, yuv[:size], cv2.INTER_LINEAR)
        # A colour sample lies in the middle of four brightness samples, in the picture and in the cut.
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
    """Fill the square `into`. Its corner is at (left, top) of `source`; one step to the right adds (right, down).

    between: OpenCV's interpolation between samples.
    """
    cv2.warpAffine(
        source,
        np.array(((right, -down, left), (down, right, top))),
        into.shape,
        dst=into,
        flags=between | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )

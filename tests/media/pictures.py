"""Pictures with a real face in them, and how a browser would send them."""

from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
import numpy as np
import skimage.data
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from rtc_server.frame import Codec, EncodedFrame

Rgb = NDArray[np.uint8]

_ENCODERS: dict[Codec, tuple[str, dict[str, str]]] = {
    "vp8": ("libvpx", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}),
    "h264": ("libx264", {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline"}),
}


def portrait() -> Rgb:
    """Eileen Collins, 240x240 around her face: NASA's, in the public domain."""
    picture: Rgb = skimage.data.astronaut()[0:240, 100:340]
    return picture


def room() -> Rgb:
    """Nobody: soft shapes, so that it is a picture and not a blank; 640x480."""
    x, y = np.meshgrid(np.arange(640), np.arange(480))
    return np.stack([100 + 50 * np.sin(x / 90), 110 + 40 * np.cos(y / 70), 90 + 0 * x], axis=2).astype(np.uint8)


def people(*places: tuple[int, int]) -> Rgb:
    """The room with a portrait at each place: its (left, top) corner."""
    picture = room()
    for left, top in places:
        picture[top : top + 240, left : left + 240] = portrait()
    return picture


def yuv(picture: Rgb) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24").reformat(format="yuv420p")


def in_light(
    picture: Rgb, light: float, noise: float = 0.0, *, full_range: bool = False, seed: int = 0
) -> av.VideoFrame:
    """The picture in a share of its light, with a sensor's noise of so many levels. Black is luma 16, or 0 of full
    range, which is not marked: Chromium sends a JPEG camera's pictures like that."""
    levels = light * (picture @ np.array((0.299, 0.587, 0.114)))
    levels += np.random.default_rng(seed).normal(0, noise, levels.shape) if noise else 0
    levels = np.clip(levels, 0, 255)
    frame = yuv((light * picture).astype(np.uint8))
    planes = frame.to_ndarray()
    planes[: frame.height] = levels if full_range else 16 + levels * 219 / 255
    return av.VideoFrame.from_ndarray(planes, format="yuv420p")


def sent(
    pictures: Iterable[Rgb | av.VideoFrame], codec: Codec = "vp8", fps: int = 15, *, full_range: bool = False
) -> list[EncodedFrame]:
    """Encoded one by one at `fps`; the first is a keyframe. `full_range` is only what the stream says of itself."""
    return list(_encoded(pictures, codec, fps, full_range=full_range))


def _encoded(
    pictures: Iterable[Rgb | av.VideoFrame], codec: Codec, fps: int, *, full_range: bool
) -> Iterator[EncodedFrame]:
    name, options = _ENCODERS[codec]
    encoder = av.CodecContext.create(name, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.pix_fmt, encoder.time_base, encoder.framerate = "yuv420p", Fraction(1, fps), Fraction(fps)
    encoder.bit_rate, encoder.gop_size, encoder.options = 2_000_000, 1000, options
    if full_range:
        encoder.color_range = ColorRange.JPEG
    for index, picture in enumerate(pictures):
        frame = picture if isinstance(picture, av.VideoFrame) else yuv(picture)
        if not index:
            encoder.height, encoder.width = frame.height, frame.width
        frame.pts = index
        for packet in encoder.encode(frame):
            yield EncodedFrame(bytes(packet), packet.is_keyframe, index * 90_000 // fps, index / fps, 0.0)

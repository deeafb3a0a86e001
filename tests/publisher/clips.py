"""Clips made by the tests."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from rtc_server.publisher.encoded_clip import EncodedClip, encode_clip


def moving_bars(
    seconds: float, frames_per_s: int, width: int = 320, height: int = 240
) -> Iterator[tuple[float, av.VideoFrame]]:
    """Something that changes from frame to frame."""
    for index in range(round(seconds * frames_per_s)):
        pixels = np.zeros((height, width, 3), dtype=np.uint8)
        pixels[:, (index * 7) % width :: 40] = 255
        yield index / frames_per_s, av.VideoFrame.from_ndarray(pixels, format="rgb24")


def encoded_bars(seconds: float = 1.0, frames_per_s: int = 15) -> EncodedClip:
    return encode_clip(moving_bars(seconds, frames_per_s))


def write_video(
    path: Path, seconds: float = 1.0, frames_per_s: int = 15, *, width: int = 320, height: int = 240
) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=frames_per_s)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index, (_, frame) in enumerate(moving_bars(seconds, frames_per_s, width, height)):
            frame.pts, frame.time_base = index, Fraction(1, frames_per_s)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path

"""The clip that every benchmark sends: the same pictures for each side of a comparison."""

import math
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from rtc_server.media.clip import Clip
from rtc_server.publisher.encoded_clip import FRAMES_PER_S, EncodedClip, encode_clip
from tests.camera import portrait

SITTER_S = 20.0


def bench_clip(path: Path | None) -> EncodedClip:
    """A file's pictures, or those of a sitter made here, so that a stranger measures the same."""
    if path is None:
        return encode_clip(sitter())
    with Clip(path) as clip:
        return encode_clip(clip.frames(FRAMES_PER_S))


def clip_name(path: Path | None) -> str:
    return "a sitter made from scikit-image's portrait" if path is None else path.name


def sitter(seconds: float = SITTER_S) -> Iterator[tuple[float, av.VideoFrame]]:
    """640x480 at 15 fps: a real face that sways as somebody who reads does, with a camera's grain."""
    grain = np.random.default_rng(7)
    for index in range(round(seconds * FRAMES_PER_S)):
        turn = 2 * math.pi * index / (seconds * FRAMES_PER_S)
        # Whole turns, so that the clip's end meets its start.
        moved = (18 * math.sin(3 * turn) + 6 * math.sin(11 * turn), 8 * math.sin(5 * turn))
        picture = portrait(moved).astype(np.int16) + grain.normal(0, 1.5, (480, 640, 3)).astype(np.int16)
        pixels = np.clip(picture, 0, 255).astype(np.uint8)
        yield index / FRAMES_PER_S, av.VideoFrame.from_ndarray(pixels, format="rgb24")

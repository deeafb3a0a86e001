"""A camera for Chromium: a Y4M file that shows a real face, made from scikit-image's public-domain portrait.

Given with `--use-file-for-fake-video-capture`, it is played in a loop.
"""

import math
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

WIDTH, HEIGHT, FRAMES_PER_SECOND = 640, 480, 15
SCALE, OFFSET_PX = 1.36, (-6.0, -5.0)
"""Of the portrait in the frame: the face is a fifth of its width, and swaying never shows an edge."""

Picture = NDArray[np.uint8]
"""Height, width, RGB."""


def portrait(moved_px: tuple[float, float] = (0.0, 0.0)) -> Picture:
    """Eileen Collins, looking at the camera as somebody does who sits before a laptop."""
    (left, top), (right, down) = OFFSET_PX, moved_px
    placed = np.array([[SCALE, 0, left + right], [0, SCALE, top + down]])
    return np.asarray(cv2.warpAffine(_astronaut(), placed, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC), np.uint8)


@cache
def _astronaut() -> Picture:
    return np.asarray(data.astronaut(), np.uint8)


def empty_room() -> Picture:
    """The same light with nobody in it."""
    return np.asarray(cv2.GaussianBlur(np.ascontiguousarray(portrait()[:, ::-1]), (0, 0), 60), np.uint8)


def write_y4m(path: Path, seconds_with_face: float = 2.0, seconds_without: float = 0.0) -> Path:
    """A sitter who sways a little, as people do, so that no two frames are the same; then an empty room."""
    grain = np.random.default_rng(7).normal(0, 1.5, (HEIGHT, WIDTH, 3)).astype(np.int16)
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FRAMES_PER_SECOND}:1 Ip A1:1 C420jpeg\n".encode())
        for index, picture in enumerate(_pictures(seconds_with_face, seconds_without)):
            noisy = np.clip(picture + np.roll(grain, 37 * index, axis=1), 0, 255).astype(np.uint8)
            file.write(b"FRAME\n")
            file.write(cv2.cvtColor(noisy, cv2.COLOR_RGB2YUV_I420).tobytes())
    return path


def _pictures(seconds_with_face: float, seconds_without: float) -> list[Picture]:
    with_face, without = (round(seconds * FRAMES_PER_SECOND) for seconds in (seconds_with_face, seconds_without))
    turns = [2 * math.pi * index / with_face for index in range(with_face)]
    return [portrait((4 * math.sin(turn), 2 * math.sin(2 * turn))) for turn in turns] + [empty_room()] * without

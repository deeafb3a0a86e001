"""A sitter who sits quite still, turns the head away, stays so, and turns back."""

from collections.abc import Iterator
from contextlib import closing

import av
import cv2
import numpy as np

from rtc_server.media.face_landmarker import FaceLandmarker
from rtc_server.publisher.encoded_clip import FRAMES_PER_S
from tests.focus.sitter import Pose, Sitter

BETWEEN_FRAMES = 61
"""From one turn to the next, 4 s: no multiple of 3, so a turn may begin with any of the pictures that are left out."""
TURNS = 12
AWAY_DEG, TURN_FRAMES = 45.0, 3
"""A quick turn of the head takes 0.2 s."""
GRAIN = 1.5
"""Standard deviation of a pixel, as in the other made clip."""


def turns_s() -> list[float]:
    """When each turn begins: the time of its first picture."""
    return [number * BETWEEN_FRAMES / FRAMES_PER_S for number in range(1, TURNS + 1)]


def turning_sitter() -> Iterator[tuple[float, av.VideoFrame]]:
    """640x480, 15 a second; the last turn ends where the first picture began."""
    grain = np.random.default_rng(7)
    with closing(FaceLandmarker()) as landmarker:
        sitter = Sitter(landmarker)
    drawn = [
        cv2.resize(sitter.draw(Pose(yaw_deg=AWAY_DEG * step / TURN_FRAMES)), (640, 480), interpolation=cv2.INTER_CUBIC)
        for step in range(TURN_FRAMES + 1)
    ]
    for index in range((TURNS + 1) * BETWEEN_FRAMES):
        turn, since = divmod(index, BETWEEN_FRAMES)
        step = min(TURN_FRAMES, since + 1) if turn else TURN_FRAMES
        picture = drawn[step if turn % 2 else TURN_FRAMES - step]
        noisy = np.clip(picture + grain.normal(0, GRAIN, (480, 640, 3)), 0, 255).astype(np.uint8)
        yield index / FRAMES_PER_S, av.VideoFrame.from_ndarray(noisy, format="rgb24")

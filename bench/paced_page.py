"""Which of a camera's pictures our page sends: its own script decides, as it does in the browser."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import av
import cv2

Pictures = Sequence[tuple[float, av.VideoFrame]]
"""With their times, in seconds; 15 a second."""

SCRIPT = Path(__file__).with_name("movement_of.mjs")
COLUMNS, ROWS = 64, 48
STILL_EVERY = 3
"""Of the camera's pictures, so many to one that is sent while nothing moves: five a second."""


def moving(pictures: Pictures) -> list[bool]:
    """For each picture, whether something moves in it, or has just moved."""
    cells = b"".join(
        # As Chromium scales a video on a canvas: each cell is the mean of its pixels.
        cv2.resize(frame.to_ndarray(format="rgba"), (COLUMNS, ROWS), interpolation=cv2.INTER_AREA).tobytes()
        for _, frame in pictures
    )
    ran = subprocess.run(["node", str(SCRIPT)], input=cells, capture_output=True, check=True)
    return [bool(one) for one in json.loads(ran.stdout)]


class PacedPage:
    """Which pictures are sent, one after the other.

    The page sees a picture only once the encoder has passed it by, and an update when the next picture is there.
    """

    def __init__(self, moves: Sequence[bool]) -> None:
        self._moves = moves
        self._last_sent = -STILL_EVERY

    def sends(self, index: int, *, changing: bool) -> bool:
        """changing: the last update told of a change under way."""
        awake = index == 0 or self._moves[index - 1] or changing
        sends = awake or index - self._last_sent >= STILL_EVERY
        if sends:
            self._last_sent = index
        return sends

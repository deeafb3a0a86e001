"""The clip that every benchmark sends: the same pictures for each side of a comparison."""

import math
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import av
import cv2
import numpy as np

from rtc_server.media.clip import Clip
from rtc_server.media.face_landmarker import FaceLandmarker
from rtc_server.publisher.encoded_clip import FRAMES_PER_S, EncodedClip, EncodedPicture, encode_clip
from tests.focus.sitter import Pose, Sitter

SITTER_S = 20.0
BLINK_EVERY_S, BLINK_S = 4.0, 0.2
LINE_S = 2.5
"""For a line of text."""
MADE, STILL, LIVELY = "made, reads", "recorded, still", "recorded, lively"
RECORDED = {STILL: "hbenbel/face.mp4", LIVELY: "proctoring_ai/center_left_center.mp4"}
"""Recordings of people that measure beside the made sitter, by what they show; files of a folder."""


def bench_clip(path: Path | None, *, layered: bool = False) -> EncodedClip:
    """A file's pictures, or those of a sitter made here, so that a stranger measures the same."""
    if path is None:
        return encode_clip(sitter(), layered=layered)
    with Clip(path) as clip:
        return encode_clip(clip.frames(FRAMES_PER_S), layered=layered)


def cameras(made: EncodedClip, recordings: Path | None, *, layered: bool = False) -> dict[str, EncodedClip]:
    """The clip that everybody has, and those of a folder of recordings; these in temporal layers, as our page sends
    them, or as a page does that knows nothing of us."""
    recorded = recordings and {name: bench_clip(recordings / file, layered=layered) for name, file in RECORDED.items()}
    return {MADE: made} | (recorded or {})


def beginning_at(clip: EncodedClip, index: int) -> EncodedClip:
    """The same round of pictures, sent from picture `index`, a keyframe, on."""
    first_s = clip.pictures[index].time_s if index else 0.0
    return EncodedClip(
        tuple(
            EncodedPicture(picture.data, (picture.time_s - first_s) % clip.duration_s, picture.keyframe, picture.layer)
            for picture in clip.pictures[index:] + clip.pictures[:index]
        ),
        clip.duration_s,
        clip.width,
        clip.height,
    )


def clip_name(path: Path | None) -> str:
    return "a sitter made from scikit-image's portrait" if path is None else path.name


def sitter(seconds: float = SITTER_S) -> Iterator[tuple[float, av.VideoFrame]]:
    """640x480 at 15 fps: a real face that reads, line by line, blinks, sways a little and once sits up, with a
    camera's grain."""
    grain = np.random.default_rng(7)
    with closing(FaceLandmarker()) as landmarker:
        person = Sitter(landmarker)
    for index in range(round(seconds * FRAMES_PER_S)):
        time_s = index / FRAMES_PER_S
        picture = cv2.resize(person.draw(_reading(time_s, seconds)), (640, 480), interpolation=cv2.INTER_CUBIC)
        noisy = picture.astype(np.int16) + grain.normal(0, 1.5, (480, 640, 3)).astype(np.int16)
        yield time_s, av.VideoFrame.from_ndarray(np.clip(noisy, 0, 255).astype(np.uint8), format="rgb24")


def _reading(time_s: float, period_s: float) -> Pose:
    """After `period_s` the sitter is where they began, so that the clip's end meets its start."""
    turn = 2 * math.pi * time_s / period_s
    sitting_up = math.exp(-(((time_s - 0.7 * period_s) / 0.8) ** 2))
    return Pose(
        yaw_deg=1.5 * math.sin(2 * turn) + 5 * sitting_up,
        pitch_deg=math.sin(3 * turn) + 4 * sitting_up,
        lids_closed=1.0 if time_s % BLINK_EVERY_S > BLINK_EVERY_S - BLINK_S else 0.0,
        iris_right=0.04 * (2 * (time_s / LINE_S % 1) - 1),
    )

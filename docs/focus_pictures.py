"""Draws the pictures of docs/focus.md from a synthetic sitter: `python -m docs.focus_pictures`."""

import math
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np

from rtc_server.focus.geometry.measurement import FaceMeasurement, measure
from rtc_server.focus.observation import FaceObservation
from rtc_server.focus.policy import READING
from rtc_server.focus.state import Angles
from rtc_server.media.frame_observer import FrameObserver
from rtc_server.media.landmarker_pool import LandmarkerPool
from rtc_server.offline.analysis import analyse
from rtc_server.offline.plot import draw
from tests.focus.sitter import HEIGHT, WIDTH, Pose, Rgb, Sitter, find_face
from tests.media.pictures import yuv

HERE = Path(__file__).parent
FPS = 10
REST = Pose()
SCENES: tuple[tuple[float, Pose | None], ...] = (
    (4.0, REST),
    (0.2, Pose(lids_closed=1)),
    (3.0, REST),
    (3.0, Pose(yaw_deg=40)),
    (3.0, REST),
    (0.2, Pose(yaw_deg=-30)),
    (2.0, REST),
    (3.0, Pose(lids_closed=1)),
    (3.0, REST),
    (3.0, Pose(pitch_deg=-32, lids_closed=0.6)),
    (3.0, REST),
    (4.0, None),
    (3.0, REST),
)
"""Seconds, and what the sitter does; None: away from the desk."""
SHOWN = (
    ("at rest", REST),
    ("head turned 30°", Pose(yaw_deg=30)),
    ("only the eyes aside", Pose(iris_right=-0.16)),
    ("head turned, eyes back", Pose(yaw_deg=20, iris_right=-0.16)),
    ("head lowered 30°", Pose(pitch_deg=-30)),
    ("lids shut", Pose(lids_closed=1)),
)
SHUT = 0.15
"""Opening over width below which there is no gaze to draw."""
HEAD_COLOUR, GAZE_COLOUR, INK = (138, 147, 166), (31, 95, 168), (30, 34, 42)


def main() -> None:
    with closing(LandmarkerPool()) as pool:
        with pool.borrow() as landmarker:
            sitter = Sitter(landmarker)
            tiles = []
            for caption, pose in SHOWN:
                picture = sitter.draw(pose)
                face = find_face(landmarker, picture)
                assert face is not None
                tiles.append(_annotated(picture, caption, measure(face, WIDTH, HEIGHT)))
        sheet = np.vstack([np.hstack(tiles[:3]), np.hstack(tiles[3:])])
        cv2.imwrite(
            str(HERE / "focus-angles.jpg"), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 82]
        )
        analysis = analyse(_acted(sitter, pool), READING)
    draw(analysis, HERE / "focus-timeline.png", "A synthetic sitter, 35 seconds")


def _acted(sitter: Sitter, pool: LandmarkerPool) -> Iterator[FaceObservation]:
    observer, noise, frame = FrameObserver(pool), np.random.default_rng(1), 0
    end_s = 0.0
    for seconds, pose in SCENES:
        end_s += seconds
        shown = np.full((HEIGHT, WIDTH, 3), 120, np.uint8) if pose is None else sitter.draw(pose)
        while frame / FPS < end_s - 1e-9:
            grainy = np.clip(shown + noise.normal(0, 1.5, shown.shape), 0, 255).astype(np.uint8)
            observation = observer.observe(yuv(grainy), frame / FPS)
            if observation is not None:
                yield observation
            frame += 1


def _annotated(picture: Rgb, caption: str, face: FaceMeasurement) -> Rgb:
    tile = np.ascontiguousarray(picture[10:270, 60:340])
    _arrow(tile, (140, 150), face.head, HEAD_COLOUR)
    opening = sum(face.apertures) / 2
    if opening > SHUT:
        _arrow(tile, (140, 122), face.gaze, GAZE_COLOUR)
    strip = np.full((44, tile.shape[1], 3), 255, np.uint8)
    head, gaze = ([round(value) for value in (angles.yaw_deg, angles.pitch_deg)] for angles in (face.head, face.gaze))
    _text(strip, caption.replace("°", " deg"), 16)
    _text(strip, f"head {head[0]:+} {head[1]:+}  gaze {gaze[0]:+} {gaze[1]:+}  lids {opening:.2f}", 36)
    return np.vstack([tile, strip])


def _arrow(tile: Rgb, start: tuple[int, int], angles: Angles, colour: tuple[int, int, int]) -> None:
    length = 110
    x = start[0] + length * math.sin(math.radians(angles.yaw_deg))
    y = start[1] - length * math.sin(math.radians(angles.pitch_deg))
    cv2.arrowedLine(tile, start, (round(x), round(y)), colour, 3, cv2.LINE_AA, tipLength=0.2)


def _text(strip: Rgb, text: str, y: int) -> None:
    cv2.putText(strip, text, (6, y), cv2.FONT_HERSHEY_SIMPLEX, 0.39, INK, 1, cv2.LINE_AA)


if __name__ == "__main__":
    main()

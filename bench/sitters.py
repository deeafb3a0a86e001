"""Known angles on many faces: `python -m bench sitters --clips DIR --truth CSV --by CSV`.

A frontal picture of each person is moved through its own mesh by known angles (tests/focus/sitter.py), in memory
only. What is measured is taken against what is measured of the same picture at rest.
"""

import argparse
import json
import math
import statistics
import sys
from collections.abc import Sequence
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from bench.labels import Label, label_at, read_subjects, read_truth
from rtc_server.focus.geometry.head_pose import direction, head_pose
from rtc_server.focus.geometry.measurement import FaceMeasurement, measure
from rtc_server.media.clip import Clip
from rtc_server.media.face_landmarker import FaceLandmarker
from tests.focus.meshes import rotation
from tests.focus.sitter import HEIGHT, WIDTH, Pose, Rgb, Sitter, find_face

HELP = "mean errors of head, gaze and lids on every person's own face, moved by known angles"
YAWS, PITCHES, ROLLS = (-30, -15, 0, 15, 30), (-20, 0, 20), (-20, 20)
IRIS_RIGHT = (-0.12, -0.06, 0.06, 0.12)
"""In eye widths."""
LIDS = (0.0, 0.35, 0.7, 1.0)
EYE_WIDTH, EYEBALL_RADIUS = 0.304, 0.117
"""In the canonical face's unit: 27 mm between the corners, and 10.5 mm from the centre of rotation to the pupil, as
anatomy has it and whatever the judgement makes of the mesh."""
WORST_OVER_MEDIAN = 1.5
FRONTAL_DEG = 12.0
"""A portrait that is turned further leaves too little of one side of the face to be moved."""


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench sitters", description=HELP)
    parser.add_argument("--clips", type=Path, required=True, help="folder of the clips")
    parser.add_argument("--truth", type=Path, required=True, help="CSV of file, start_s, end_s, state")
    parser.add_argument("--by", type=Path, required=True, help="CSV of file, person, kinds")
    parser.add_argument("--json", action="store_true", help="only JSON on stdout")
    arguments = parser.parse_args(argv)
    truth = read_truth(arguments.truth)
    people: dict[str, dict[str, Any]] = {}
    with closing(FaceLandmarker()) as landmarker:
        for name, subject in tqdm(read_subjects(arguments.by).items(), unit="clip", leave=False, disable=None):
            if subject.person and subject.person not in people and name in truth:
                portrait = _frontal(landmarker, arguments.clips / name, truth[name])
                if portrait is not None:
                    people[subject.person] = errors(Sitter(landmarker, portrait), landmarker)
    report = {"bench": "sitters", "people": people, "overall": _overall(people)}
    if arguments.json:
        json.dump(report, sys.stdout, indent=1)
        print()
    else:
        _print(report)
    return 0


def errors(sitter: Sitter, landmarker: FaceLandmarker) -> dict[str, Any]:
    """Mean absolute errors in degrees of one person, and whether lids are ranked right."""
    rest = _measured(landmarker, sitter.picture)
    face = find_face(landmarker, sitter.picture)
    assert rest is not None
    assert face is not None
    back = head_pose(face.points, WIDTH, HEIGHT).rotation.back
    yaws, pitches, rolls, gazes, missed = [], [], [], [], 0
    for yaw, pitch in product(YAWS, PITCHES):
        seen = _measured(landmarker, sitter.draw(Pose(yaw_deg=yaw, pitch_deg=pitch)))
        if seen is None:
            missed += 1
            continue
        true_yaw, true_pitch = direction(*-(rotation(yaw, pitch) @ back))
        yaws.append(abs(seen.head.yaw_deg - true_yaw))
        pitches.append(abs(seen.head.pitch_deg - true_pitch))
    for roll in ROLLS:
        seen = _measured(landmarker, sitter.draw(Pose(roll_deg=roll)))
        if seen is not None:
            rolls.append(abs(seen.head.roll_deg - rest.head.roll_deg - roll))
    for right in IRIS_RIGHT:
        seen = _measured(landmarker, sitter.draw(Pose(iris_right=right)))
        if seen is not None:
            true = _turned_by(rest.gaze.yaw_deg, right)
            gazes.append(abs(seen.gaze.yaw_deg - true))
    lids = [_measured(landmarker, sitter.draw(Pose(lids_closed=closed))) for closed in LIDS]
    apertures = [sum(one.apertures) for one in lids if one is not None]
    return {
        "head_yaw_deg": round(statistics.fmean(yaws), 2),
        "head_pitch_deg": round(statistics.fmean(pitches), 2),
        "head_roll_deg": round(statistics.fmean(rolls), 2),
        "gaze_yaw_deg": round(statistics.fmean(gazes), 2),
        "lids_ranked": len(apertures) == len(LIDS) and all(np.diff(apertures) < 0),
        "faces_missed": missed,
    }


def _turned_by(gaze_yaw_deg: float, iris_right: float) -> float:
    """The gaze once the iris has moved by so many eye widths on its ball."""
    sine = math.sin(math.radians(gaze_yaw_deg)) + iris_right * EYE_WIDTH / EYEBALL_RADIUS
    return math.degrees(math.asin(max(-1.0, min(1.0, sine))))


def _frontal(landmarker: FaceLandmarker, path: Path, labels: Sequence[Label]) -> Rgb | None:
    """The most frontal picture of a clip that is labelled as focused; None where none is frontal."""
    best, nearest = None, FRONTAL_DEG
    with Clip(path) as clip:
        for time_s, frame in clip.frames(3.0):
            label = label_at(labels, time_s)
            if label is None or not label.focused:
                continue
            picture: NDArray[Any] = frame.to_ndarray(format="rgb24")
            face = find_face(landmarker, picture)
            if face is None:
                continue
            head = measure(face, frame.width, frame.height)
            turned = max(abs(head.head.yaw_deg), abs(head.head.pitch_deg) / 1.5) + 20 * (head.apertures[0] < 0.15)
            if turned < nearest:
                best, nearest = picture, turned
    return best


def _measured(landmarker: FaceLandmarker, picture: Rgb) -> FaceMeasurement | None:
    face = find_face(landmarker, picture)
    return measure(face, WIDTH, HEIGHT) if face is not None else None


def _overall(people: dict[str, dict[str, Any]]) -> dict[str, Any]:
    overall: dict[str, Any] = {"people": len(people)}
    for name in ("head_yaw_deg", "head_pitch_deg", "head_roll_deg", "gaze_yaw_deg"):
        values = sorted(one[name] for one in people.values())
        overall[name] = {
            "mean": round(statistics.fmean(values), 2),
            "median": round(statistics.median(values), 2),
            "worst": values[-1],
        }
    overall["lids_ranked"] = sum(one["lids_ranked"] for one in people.values())
    return overall


def _print(report: dict[str, Any]) -> None:
    names = ("head_yaw_deg", "head_pitch_deg", "head_roll_deg", "gaze_yaw_deg")
    print(f"{'person':<10}{'yaw':>7}{'pitch':>7}{'roll':>7}{'gaze':>7}  lids ranked, faces not found")
    for person, one in report["people"].items():
        print(f"{person:<10}" + "".join(f"{one[name]:>7.1f}" for name in names), end="  ")
        print("yes" if one["lids_ranked"] else "no", one["faces_missed"])
    overall = report["overall"]
    for what in ("mean", "median", "worst"):
        print(f"{what:<10}" + "".join(f"{overall[name][what]:>7.1f}" for name in names))
    print(f"lids ranked right: {overall['lids_ranked']} of {overall['people']} people")

"""A lesson of an hour, made of seconds: `python -m bench hour --clips DIR --truth CSV --by CSV`.

A person's focused pieces are played forwards and backwards for an hour, and moved in space as people
move: they drift in posture, slide in their chair, look aside and at their notes, leave and come back nearer,
while the evening dims the light and compression makes the mesh tremble. A head is turned as a whole, with the
eyes; what the irises do within it is the person's own. Every piece has its label; movements between two
states are not scored.
"""

import argparse
import json
import math
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from bench.degraded import Conditions
from bench.labels import Label, label_at, read_subjects, read_truth
from bench.observations import observations
from bench.scoring import score
from rtc_server.focus.observation import FaceLandmarks, FaceObservation
from rtc_server.focus.policy import READING
from rtc_server.offline.analysis import analyse

HELP = "an hour made of labelled seconds: what adds up over a lesson"
FPS = 10.0
HOUR_S = 3600.0
LEAST_FOCUSED_S = 2.0
"""Of a person, to make an hour of."""
MOVE_S = 0.4
"""A head takes so long to turn. Not scored."""
GOAL_ERROR, GOAL_FALSE_CHANGES = 0.01, 2.0

tqdm.monitor_interval = 0  # its watching thread is for bars that update by leaps

Random = np.random.Generator


@dataclass(frozen=True, slots=True)
class _Piece:
    """What is done for a while."""

    name: str
    seconds: float
    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    """How the head is turned, with the eyes in it."""
    there: bool = True
    other: bool = False
    """A second person looks in."""

    @property
    def focused(self) -> bool:
        return self.there and not self.yaw_deg and not self.pitch_deg


@dataclass(slots=True)
class _Body:
    """What changes slowly."""

    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    x: float = 0.0
    """In picture widths."""
    scale: float = 1.0
    light: float = 1.0
    tremble: float = 0.0
    """Of each landmark, in distances between the eyes' outer corners."""


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench hour", description=HELP)
    parser.add_argument("--clips", type=Path, required=True, help="folder of the clips")
    parser.add_argument("--truth", type=Path, required=True, help="CSV of file, start_s, end_s, state")
    parser.add_argument("--by", type=Path, required=True, help="CSV of file, person, kinds")
    parser.add_argument("--observations", type=Path, metavar="DIR", help="keep what was seen, to judge it again")
    parser.add_argument("--hours", type=int, default=1, help="of each person (1)")
    parser.add_argument("--distracted-start", type=float, default=0.0, metavar="SECONDS", help="begins looking aside")
    parser.add_argument("--json", action="store_true", help="only JSON on stdout")
    arguments = parser.parse_args(argv)
    rows = [
        {"person": person, "hour": hour, **_judged(seen, np.random.default_rng(hour), arguments.distracted_start)}
        for person, seen in tqdm(_focused(arguments).items(), unit="person", leave=False, disable=None)
        for hour in range(arguments.hours)
    ]
    report = {
        "bench": "hour",
        "people": len({row["person"] for row in rows}),
        "mean_abs_error_of_focused_time": round(statistics.fmean(abs(row["error"]) for row in rows), 4),
        "false_changes_per_hour": round(statistics.fmean(row["false_changes"] for row in rows), 2),
        "live_false_changes_per_hour": round(statistics.fmean(row["live_false_changes"] for row in rows), 2),
        "hours": rows,
    }
    if arguments.json:
        json.dump(report, sys.stdout, indent=1)
        print()
    else:
        _print(report)
    return 0


def _focused(arguments: argparse.Namespace) -> dict[str, list[FaceObservation]]:
    """By person, the observations of the longest stretch with one face and a label of focus."""
    truth, found = read_truth(arguments.truth), {}
    if arguments.observations:
        arguments.observations.mkdir(parents=True, exist_ok=True)
    for name, subject in read_subjects(arguments.by).items():
        if not subject.person or name not in truth:
            continue
        seen = observations(arguments.clips / name, Conditions(15.0), arguments.observations)
        for stretch in _stretches(seen, truth[name]):
            longest = found.get(subject.person, [])
            if _seconds(stretch) > max(LEAST_FOCUSED_S, _seconds(longest)):
                found[subject.person] = stretch
    return found


def _stretches(seen: Sequence[FaceObservation], labels: Sequence[Label]) -> Iterator[list[FaceObservation]]:
    stretch: list[FaceObservation] = []
    for one in seen:
        label = label_at(labels, one.media_time_s)
        if label is not None and label.focused and len(one.faces) == 1:
            stretch.append(one)
        elif stretch:
            yield stretch
            stretch = []
    yield stretch


def _seconds(stretch: Sequence[FaceObservation]) -> float:
    return stretch[-1].media_time_s - stretch[0].media_time_s if stretch else 0.0


def _judged(seen: Sequence[FaceObservation], random: Random, distracted_s: float) -> dict[str, Any]:
    pieces = [_Piece("aside", distracted_s, yaw_deg=35.0)] if distracted_s else []
    while sum(piece.seconds for piece in pieces) < HOUR_S:
        pieces += [_Piece("reading", random.uniform(20, 90)), _something(random)]
    frames, labels = _acted(seen, pieces, random)
    result = score(analyse(frames, READING), labels)
    focused_s = sum(label.end_s - label.start_s for label in labels if label.focused)
    return {
        "focused_s": round(focused_s, 1),
        "error": round(result.focused_error_s / focused_s, 4),
        "accuracy": result.report()["accuracy"],
        "live_accuracy": result.report()["live_accuracy"],
        "false_changes": result.false_changes,
        "live_false_changes": result.live_false_changes,
    }


def _something(random: Random) -> _Piece:
    """What interrupts reading."""
    side = float(random.choice((-1, 1)))
    return (
        _Piece("aside", random.uniform(1, 10), yaw_deg=side * random.uniform(25, 60)),
        _Piece("aside", random.uniform(1, 6), yaw_deg=side * random.uniform(25, 60)),
        _Piece("notes", random.uniform(3, 25), pitch_deg=-random.uniform(30, 45)),
        _Piece("up", random.uniform(1, 5), pitch_deg=random.uniform(30, 40)),
        _Piece("away", random.uniform(5, 60), there=False),
        _Piece("visitor", random.uniform(3, 20), other=True),
    )[int(random.integers(6))]


def _acted(
    seen: Sequence[FaceObservation], pieces: Sequence[_Piece], random: Random
) -> tuple[list[FaceObservation], list[Label]]:
    frames: list[FaceObservation] = []
    labels: list[Label] = []
    body, slide, before, start_s = _Body(), random.normal(0, 1, 3), _Piece("start", 0.0), 0.0
    turned = (0.0, 0.0)
    for piece in pieces:
        if not before.there:
            body.scale = random.uniform(0.8, 1.3)  # they sit down nearer or farther away
            body.x = random.uniform(-0.08, 0.08)
        end_s, move_s = start_s + piece.seconds, min(MOVE_S, piece.seconds / 2) if labels else 0.0
        labels.append(Label(start_s, start_s + move_s, "uncertain"))
        labels.append(Label(start_s + move_s, end_s, "focused" if piece.focused else "away"))
        while len(frames) / FPS < end_s:
            at_s = len(frames) / FPS
            slide += random.normal(0, 0.05, 3) - 0.002 * slide  # a walk that comes back
            body.yaw_deg, body.pitch_deg = 2.5 * slide[0], 2.0 * slide[1]
            body.light = 1 - 0.7 * at_s / HOUR_S
            body.tremble = 0.004 if int(at_s / 40) % 3 == 0 else 0.0
            share = min(1.0, (at_s - start_s) / MOVE_S)
            yaw, pitch = (
                old + (new - old) * share for old, new in zip(turned, (piece.yaw_deg, piece.pitch_deg), strict=True)
            )
            there = piece.there if share >= 1 else before.there
            frames.append(_moved(_played(seen, len(frames)), at_s, body, (yaw, pitch), piece, random, there=there))
        turned, before, start_s = (piece.yaw_deg, piece.pitch_deg), piece, end_s
    return frames, labels


def _played(seen: Sequence[FaceObservation], number: int) -> FaceObservation:
    """Forwards, then backwards, and so on: no jump where it begins again."""
    step = max(1, round(len(seen) / max(_seconds(seen), 0.1) / FPS))
    at = number * step % (2 * len(seen) - 2)
    return seen[at if at < len(seen) else 2 * len(seen) - 2 - at]


def _moved(
    one: FaceObservation, at_s: float, body: _Body, turned: tuple[float, float], piece: _Piece, random: Random, *,
    there: bool,
) -> FaceObservation:  # fmt: skip
    quality = replace(one.quality, brightness=one.quality.brightness * body.light, change=max(one.quality.change, 0.5))
    if not there:
        return replace(one, media_time_s=at_s, faces=(), quality=replace(quality, brightness=100.0, contrast=30.0))
    pixels = np.array((one.width, one.height, one.width))
    mesh = one.faces[0].points * pixels
    middle = mesh.mean(axis=0)
    eyes = float(np.linalg.norm(mesh[33] - mesh[263]))
    mesh = (mesh - middle) @ _rotation(body.yaw_deg + turned[0], body.pitch_deg + turned[1]).T * body.scale + middle
    mesh[:, 0] += body.x * one.width
    if body.tremble:
        mesh += random.normal(0, body.tremble * eyes, mesh.shape)
    faces = [FaceLandmarks((mesh / pixels).astype(np.float32))]
    if piece.other:
        visitor = (mesh - middle) * 0.7 + middle + (0.35 * one.width, 0.0, 0.0)
        faces.append(FaceLandmarks((visitor / pixels).astype(np.float32)))
    return replace(one, media_time_s=at_s, faces=tuple(faces), quality=quality)


def _rotation(yaw_deg: float, pitch_deg: float) -> NDArray[np.float64]:
    """In the camera's frame: x right, y down, z away."""
    yaw, pitch = math.radians(yaw_deg), math.radians(pitch_deg)
    about_y = np.array([[math.cos(yaw), 0, -math.sin(yaw)], [0, 1, 0], [math.sin(yaw), 0, math.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, math.cos(pitch), math.sin(pitch)], [0, -math.sin(pitch), math.cos(pitch)]])
    return about_y @ about_x


def _print(report: dict[str, Any]) -> None:
    print(f"{'person':<10}{'focused s':>10}{'error %':>9}{'final':>8}{'live':>8}{'false':>7}{'live':>6}")
    for row in report["hours"]:
        print(
            f"{row['person']:<10}{row['focused_s']:>10.0f}{100 * row['error']:>9.2f}{100 * row['accuracy']:>8.2f}"
            f"{100 * row['live_accuracy']:>8.2f}{row['false_changes']:>7}{row['live_false_changes']:>6}"
        )
    print(f"mean error of focused time {100 * report['mean_abs_error_of_focused_time']:.2f} %", end=", ")
    print(f"false changes an hour {report['false_changes_per_hour']}, live {report['live_false_changes_per_hour']}")

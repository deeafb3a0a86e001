"""Clips through Chromium beside the same clips read from their files, as a section of docs/benchmarks.md."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from bench.labels import Subject
from bench.report import Goal, Report
from bench.scoring import Score, accuracy, total

WHAT = """\
Each labelled clip is played in real time as Chromium's camera into a server as it comes (adaptive), 640x480 at 15
frames a second, and what the page was told (live) and what the server stored is scored. Beside it the same clips read
from their files, looked at as often. Per cent of the frames; UNKNOWN counts as wrong."""
GOAL_POINTS = 0.5


def chromium_report(
    played: Mapping[str, Score], from_files: Mapping[str, Score], subjects: Mapping[str, Subject], stolen_share: float
) -> Report:
    """By person, where `subjects` says who is in which clip, and all together. The scores are by clip."""
    clips: dict[str, list[str]] = defaultdict(list)
    for name in played:
        if name in subjects and subjects[name].person:
            clips[subjects[name].person].append(name)
    rows = [_row(person, played, from_files, clips[person]) for person in sorted(clips)]
    everybody = _row("all clips", played, from_files, list(played))
    goals = [_goal(name, everybody) for name in ("stored", "live")]
    scored = [row for row in (*rows, everybody) if row["frames"]]
    return Report("accuracy in Chromium", WHAT, scored, goals, stolen_share)


def _goal(name: str, everybody: Mapping[str, Any]) -> Goal:
    apart = abs(float(everybody[f"{name}_in_chromium"]) - float(everybody[f"{name}_from_file"]))
    return Goal(f"{name} the same within {GOAL_POINTS} points", f"{apart:.2f}", met=round(apart, 2) <= GOAL_POINTS)


def _row(
    who: str, played: Mapping[str, Score], from_files: Mapping[str, Score], names: Sequence[str]
) -> dict[str, Any]:
    in_chromium, from_file = (total(scores[name] for name in names) for scores in (played, from_files))
    return {
        "person": who,
        "frames": in_chromium.frames,
        "stored_from_file": _percent(from_file.final),
        "stored_in_chromium": _percent(in_chromium.final),
        "live_from_file": _percent(from_file.live),
        "live_in_chromium": _percent(in_chromium.live),
    }


def _percent(counts: Mapping[Any, int]) -> str:
    return f"{100 * (accuracy(counts) or 0.0):.2f}"

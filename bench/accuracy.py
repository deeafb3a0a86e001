"""How right the judgement is, on labelled clips: `python -m bench accuracy --clips DIR --truth CSV`.

Frames labelled `focused` should be FOCUSED; frames labelled as anything else that is known should be
UNFOCUSED. UNKNOWN counts as wrong. `uncertain` is not scored, nor is `multiple_faces` as a state.
"""

import argparse
import csv
import json
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bench.degraded import Conditions, analyse_degraded
from rtc_server.analysis.analysis import Analysis
from rtc_server.focus.policy import POLICIES
from rtc_server.focus.state import FocusState, Reason

HELP = "right and wrong frames of labelled clips"
UNSCORED = ("uncertain", "multiple_faces")
CHANGE_WINDOW_S = 2.0
"""A change of state within this long of a labelled one is that one, early or late."""


@dataclass(frozen=True, slots=True)
class Label:
    start_s: float
    end_s: float
    state: str


@dataclass(slots=True)
class Score:
    """Frames counted by (should be focused, came out as)."""

    final: Counter[tuple[bool, FocusState]] = field(default_factory=Counter)
    live: Counter[tuple[bool, FocusState]] = field(default_factory=Counter)
    reasons: Counter[tuple[str, Reason]] = field(default_factory=Counter)
    focused_error_s: float = 0.0
    multiple_faces_s: float = 0.0
    multiple_faces_truth_s: float = 0.0
    delays_s: list[float] = field(default_factory=list)
    final_delays_s: list[float] = field(default_factory=list)
    false_changes: int = 0
    scored_s: float = 0.0

    def add(self, other: "Score") -> None:
        for name in ("final", "live", "reasons"):
            getattr(self, name).update(getattr(other, name))
        for name in ("delays_s", "final_delays_s"):
            getattr(self, name).extend(getattr(other, name))
        for name in ("focused_error_s", "multiple_faces_s", "multiple_faces_truth_s", "false_changes", "scored_s"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def report(self) -> dict[str, Any]:
        frames = self.final.total()
        unknown = sum(count for (_, state), count in self.final.items() if state is FocusState.UNKNOWN)
        return {
            "frames": frames,
            "accuracy": accuracy(self.final),
            "balanced_accuracy": balanced_accuracy(self.final),
            "live_accuracy": accuracy(self.live),
            "live_balanced_accuracy": balanced_accuracy(self.live),
            "unknown_share": round(unknown / frames, 4) if frames else None,
            "focused_time_error_s": round(self.focused_error_s, 3),
            "change_delay_s": _spread(self.delays_s),
            "final_change_error_s": _spread(self.final_delays_s),
            "false_changes_per_hour": round(3600 * self.false_changes / self.scored_s, 1) if self.scored_s else None,
            "multiple_faces_found_s": round(self.multiple_faces_s, 2),
            "multiple_faces_truth_s": round(self.multiple_faces_truth_s, 2),
        }


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench accuracy", description=HELP)
    parser.add_argument("--clips", type=Path, required=True, help="folder of the clips")
    parser.add_argument("--truth", type=Path, required=True, help="CSV of file, start_s, end_s, state")
    parser.add_argument("--fps", type=float, default=15.0)
    parser.add_argument("--size", type=_size, help="shrink to fit into WIDTHxHEIGHT first")
    parser.add_argument("--vp8", metavar="RATE", type=_bit_rate, help="send through VP8 at so many bit/s first (250k)")
    parser.add_argument("--adaptive", action="store_true", help="skip still pictures, as a server does by default")
    parser.add_argument("--policy", choices=sorted(POLICIES), default="reading")
    parser.add_argument("--json", action="store_true", help="only JSON on stdout")
    arguments = parser.parse_args(argv)
    truth = read_truth(arguments.truth)
    conditions = Conditions(arguments.fps, arguments.size, arguments.vp8, arguments.adaptive)
    scores = {}
    for name in tqdm(sorted(truth), file=sys.stderr, unit="clip", leave=False):
        path = arguments.clips / name
        scores[name] = score(analyse_degraded(path, conditions, POLICIES[arguments.policy]), truth[name])
    overall = Score()
    for one in scores.values():
        overall.add(one)
    report = {
        "bench": "accuracy",
        "fps": arguments.fps,
        "size": arguments.size and "x".join(map(str, arguments.size)),
        "vp8_bit_rate": arguments.vp8,
        "adaptive": arguments.adaptive,
        "policy": str(POLICIES[arguments.policy]),
        "overall": overall.report(),
        "mean_abs_focused_time_error_s": round(statistics.fmean(abs(s.focused_error_s) for s in scores.values()), 3),
        "reasons": _confusion(overall.reasons),
        "clips": {name: one.report() for name, one in scores.items()},
    }
    if arguments.json:
        json.dump(report, sys.stdout, indent=1)
        print()
    else:
        _print(report)
    return 0


def read_truth(path: Path) -> dict[str, list[Label]]:
    """Labels by file name, in order."""
    truth = defaultdict(list)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            truth[row["file"]].append(Label(float(row["start_s"]), float(row["end_s"]), row["state"]))
    return dict(truth)


def score(analysis: Analysis, labels: list[Label]) -> Score:
    """Compare one clip's analysis with its labels."""
    result = Score()
    frame_s = analysis.duration_s / max(1, len(analysis.snapshots) - 1)
    for said, state, reason in analysis.attributed():
        label = _label_at(labels, said.media_time_s)
        if label is None or label in UNSCORED:
            continue
        focused = label == "focused"
        result.final[focused, state] += 1
        result.live[focused, said.state] += 1
        result.reasons[label, reason] += 1
        result.scored_s += frame_s
        result.focused_error_s += ((state is FocusState.FOCUSED) - focused) * frame_s
    result.multiple_faces_s = analysis.totals.multiple_faces_s
    result.multiple_faces_truth_s = sum(one.end_s - one.start_s for one in labels if one.state == "multiple_faces")
    _score_changes(result, analysis, labels)
    return result


def accuracy(counts: Mapping[tuple[bool, FocusState], int]) -> float | None:
    """Share of frames that are right; None without frames."""
    frames = sum(counts.values())
    right = counts.get((True, FocusState.FOCUSED), 0) + counts.get((False, FocusState.UNFOCUSED), 0)
    return round(right / frames, 4) if frames else None


def balanced_accuracy(counts: Mapping[tuple[bool, FocusState], int]) -> float | None:
    """Mean of the shares right among focused and among unfocused frames, of those there are."""
    shares = []
    for focused, right in ((True, FocusState.FOCUSED), (False, FocusState.UNFOCUSED)):
        frames = sum(count for (truth, _), count in counts.items() if truth is focused)
        if frames:
            shares.append(counts.get((focused, right), 0) / frames)
    return round(statistics.fmean(shares), 4) if shares else None


def _score_changes(result: Score, analysis: Analysis, labels: list[Label]) -> None:
    """A labelled change lies between two known labels, at the middle of the uncertain time between them."""
    scored = [one for one in labels if one.state not in UNSCORED]
    wanted = [
        ((before.end_s + after.start_s) / 2, after.state == "focused")
        for before, after in pairwise(scored)
        if (before.state == "focused") != (after.state == "focused")
    ]
    final = list(_changes((said.media_time_s, state) for said, state, _ in analysis.attributed()))
    live = list(_changes((said.media_time_s, said.state) for said in analysis.snapshots))
    for changes, delays in ((live, result.delays_s), (final, result.final_delays_s)):
        for at_s, focused in wanted:
            near = [t for t, to in changes if to is focused and abs(t - at_s) <= CHANGE_WINDOW_S]
            if near:
                delays.append(min(near, key=lambda t, at_s=at_s: abs(t - at_s)) - at_s)
    result.false_changes = sum(
        1
        for at_s, focused in final
        if (label := _label_at(labels, at_s)) is not None
        and label not in UNSCORED
        and not any(to is focused and abs(t - at_s) <= CHANGE_WINDOW_S for t, to in wanted)
    )


def _changes(states: Iterable[tuple[float, FocusState]]) -> Iterator[tuple[float, bool]]:
    """When focus begins or ends, unknown time left out."""
    before: FocusState | None = None
    for at_s, state in states:
        if state is FocusState.UNKNOWN:
            continue
        if before is not None and state is not before:
            yield at_s, state is FocusState.FOCUSED
        before = state


def _label_at(labels: list[Label], at_s: float) -> str | None:
    return next((one.state for one in labels if one.start_s <= at_s < one.end_s), None)


def _spread(values: list[float]) -> dict[str, float] | None:
    if not values:
        return None
    return {"median": round(statistics.median(values), 3), "worst": round(max(values, key=abs), 3), "n": len(values)}


def _confusion(reasons: Mapping[tuple[str, Reason], int]) -> dict[str, dict[str, int]]:
    table: dict[str, dict[str, int]] = defaultdict(dict)
    for (label, reason), count in sorted(reasons.items()):
        table[label][reason] = count
    return dict(table)


def _print(report: Mapping[str, Any]) -> None:
    print(f"{'clip':<58}{'frames':>7}{'final':>8}{'bal.':>8}{'live':>8}{'unknown':>9}")
    for name, one in [*report["clips"].items(), ("overall", report["overall"])]:
        if one["frames"]:
            shares = (one[key] for key in ("accuracy", "balanced_accuracy", "live_accuracy", "unknown_share"))
            final, balanced, live, unknown = (f"{100 * share:.1f}" for share in shares)
            print(f"{name:<58}{one['frames']:>7}{final:>8}{balanced:>8}{live:>8}{unknown:>9}")
    for label, row in report["reasons"].items():
        print(f"{label:<14}" + "  ".join(f"{reason} {count}" for reason, count in row.items()))
    overall = report["overall"]
    print(f"delay {overall['change_delay_s']}, after dating back {overall['final_change_error_s']}")
    print(f"false changes an hour {overall['false_changes_per_hour']}", end=", ")
    print(f"second person {overall['multiple_faces_found_s']} s of {overall['multiple_faces_truth_s']} s")


def _size(text: str) -> tuple[int, int]:
    width, height = text.lower().split("x")
    return int(width), int(height)


def _bit_rate(text: str) -> int:
    return int(float(text.removesuffix("k")) * 1000) if text.endswith("k") else int(text)

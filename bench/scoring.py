"""An analysis against labels, frame by frame and change by change."""

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from bench.labels import Label, label_at
from rtc_server.focus.state import FocusState, Reason
from rtc_server.offline.analysis import Analysis

CHANGE_WINDOW_S = 2.0
"""A change of state within this long of a labelled one is that one, early or late."""
BOUNDARY_S = 0.1
"""Where a label begins and ends was judged by eye; it is good to this."""
CONFIDENCE_BINS = 10

Counts = Counter[tuple[bool, FocusState]]


@dataclass(slots=True)
class Score:
    """Frames counted by (should be focused, came out as). Scores of several clips add up."""

    final: Counts = field(default_factory=Counter)
    live: Counts = field(default_factory=Counter)
    reasons: Counter[tuple[str, Reason]] = field(default_factory=Counter)
    confidence: Counter[tuple[int, bool]] = field(default_factory=Counter)
    """Live frames by (bin of confidence, right)."""
    confidence_sums: Counter[int] = field(default_factory=Counter)
    focused_error_s: float = 0.0
    multiple_faces_s: float = 0.0
    multiple_faces_truth_s: float = 0.0
    delays_s: list[float] = field(default_factory=list)
    final_delays_s: list[float] = field(default_factory=list)
    false_changes: int = 0
    live_false_changes: int = 0
    scored_s: float = 0.0

    def add(self, other: "Score") -> None:
        for name in ("final", "live", "reasons", "confidence", "confidence_sums"):
            getattr(self, name).update(getattr(other, name))
        for name in ("delays_s", "final_delays_s"):
            getattr(self, name).extend(getattr(other, name))
        for name in ("focused_error_s", "multiple_faces_s", "multiple_faces_truth_s", "scored_s"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.false_changes += other.false_changes
        self.live_false_changes += other.live_false_changes

    @property
    def frames(self) -> int:
        return self.final.total()

    def report(self) -> dict[str, Any]:
        frames = self.frames
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
            "false_changes_per_hour": self._per_hour(self.false_changes),
            "live_false_changes_per_hour": self._per_hour(self.live_false_changes),
            "calibration_error": self.calibration_error(),
            "multiple_faces_found_s": round(self.multiple_faces_s, 2),
            "multiple_faces_truth_s": round(self.multiple_faces_truth_s, 2),
        }

    def reliability(self) -> list[tuple[int, float, float]]:
        """Of each bin of confidence that occurs: frames, mean confidence, share that is right."""
        table = []
        for number in range(CONFIDENCE_BINS):
            right, wrong = self.confidence[number, True], self.confidence[number, False]
            if right + wrong:
                table.append((right + wrong, self.confidence_sums[number] / (right + wrong), right / (right + wrong)))
        return table

    def calibration_error(self) -> float | None:
        """Expected calibration error: how far confidence is from the share that is right, on average over frames."""
        table = self.reliability()
        frames = sum(count for count, _, _ in table)
        error = sum(count * abs(said - right) for count, said, right in table)
        return round(error / frames, 4) if frames else None

    def _per_hour(self, changes: int) -> float | None:
        return round(3600 * changes / self.scored_s, 1) if self.scored_s else None


def total(scores: Iterable[Score]) -> Score:
    """All together."""
    overall = Score()
    for one in scores:
        overall.add(one)
    return overall


def score(analysis: Analysis, labels: Sequence[Label]) -> Score:
    """Compare one clip's analysis with its labels."""
    result = Score()
    frame_s = analysis.duration_s / max(1, len(analysis.snapshots) - 1)
    for said, state, reason in analysis.attributed():
        label = label_at(labels, said.media_time_s)
        if label is None:
            continue
        result.final[label.focused, state] += 1
        result.live[label.focused, said.state] += 1
        result.reasons[label.state, reason] += 1
        right = said.state is (FocusState.FOCUSED if label.focused else FocusState.UNFOCUSED)
        number = min(CONFIDENCE_BINS - 1, int(CONFIDENCE_BINS * said.confidence))
        result.confidence[number, right] += 1
        result.confidence_sums[number] += said.confidence  # type: ignore[assignment]
        result.scored_s += frame_s
        result.focused_error_s += ((state is FocusState.FOCUSED) - label.focused) * frame_s
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


def _score_changes(result: Score, analysis: Analysis, labels: Sequence[Label]) -> None:
    """A labelled change lies between two known labels, at the middle of the uncertain time between them."""
    scored = [one for one in labels if one.scored]
    wanted = [
        ((before.end_s + after.start_s) / 2, after.focused)
        for before, after in pairwise(scored)
        if before.focused != after.focused
    ]
    final = list(_changes((said.media_time_s, state) for said, state, _ in analysis.attributed()))
    live = list(_changes((said.media_time_s, said.state) for said in analysis.snapshots))
    for changes, delays in ((live, result.delays_s), (final, result.final_delays_s)):
        for at_s, focused in wanted:
            near = [t for t, to in changes if to is focused and abs(t - at_s) <= CHANGE_WINDOW_S]
            if near:
                delays.append(min(near, key=lambda t, at_s=at_s: abs(t - at_s)) - at_s)
    result.false_changes = _false(final, wanted, labels)
    result.live_false_changes = _false(live, wanted, labels)


def _false(changes: Sequence[tuple[float, bool]], wanted: Sequence[tuple[float, bool]], labels: Sequence[Label]) -> int:
    """How many changes go to what the label there denies, and are no labelled change that comes early.

    One that goes to what the label says is late at worst, and shows in the accuracy.
    """
    return sum(
        1
        for at_s, focused in changes
        if all(
            (label := label_at(labels, at_s + by)) is not None and label.focused is not focused
            for by in (-BOUNDARY_S, BOUNDARY_S)
        )
        and not any(to is focused and 0 <= t - at_s <= CHANGE_WINDOW_S for t, to in wanted)
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


def _spread(values: list[float]) -> dict[str, float] | None:
    if not values:
        return None
    return {"median": round(statistics.median(values), 3), "worst": round(max(values, key=abs), 3), "n": len(values)}

"""Constants chosen without the person they are tested on, and how much each constant matters.

For each person in turn the constants are tuned on everybody else and tested on that person alone: what
a stranger may expect. Tuning moves one constant at a time by a few per cent, keeps what helps the others
most, and goes on until nothing helps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from tqdm import tqdm

from bench.constants import constants, moved
from bench.labels import Label
from bench.scoring import Score, accuracy, score, total
from rtc_server.focus import tracker
from rtc_server.focus.geometry.measurement import FaceMeasurement, measure
from rtc_server.focus.observation import FaceLandmarks, FaceObservation
from rtc_server.focus.policy import Policy
from rtc_server.focus.state import FocusState
from rtc_server.offline.analysis import analyse

FACTORS = (0.75, 0.87, 1.15, 1.3)
ROUNDS = 3
"""More moves than these hardly ever help."""
STEP = 0.15
TELLING = ("decision.EVIDENCE", "decision.SOONEST_SHARE", "decision.LONG_CLOSURE_S")
"""How much must speak for a change, and for how long, before it is told."""
PATIENCE = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5)
"""Of what they are."""
LEAST_GAIN = 0.0005
"""In accuracy: less is noise of the labels, and the constant stays."""

tqdm.monitor_interval = 0  # its watching thread is for bars that update by leaps

Factors = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class LabelledClip:
    name: str
    person: str
    observations: tuple[FaceObservation, ...]
    labels: tuple[Label, ...]


class _Judge:
    """Judges all clips under moved constants, each set of factors once, and measures each face once if it can."""

    def __init__(self, clips: Sequence[LabelledClip], policy: Policy) -> None:
        self._clips, self._policy = clips, policy
        self._known: dict[Factors, dict[str, Score]] = {}
        self._measured: dict[int, FaceMeasurement] = {}
        """By the face's id: the clips keep the faces."""

    def by_person(self, factors: Mapping[str, float]) -> dict[str, Score]:
        key = tuple(sorted(factors.items()))
        if key not in self._known:
            people: dict[str, Score] = {}
            as_ever = not any(name.startswith("gaze.") for name in factors)
            measuring = patch.object(tracker, "measure", self._measure if as_ever else measure)
            with moved(self._policy, factors) as policy, measuring:
                for clip in self._clips:
                    person = clip.person or clip.name
                    people.setdefault(person, Score()).add(score(analyse(clip.observations, policy), clip.labels))
            self._known[key] = people
        return self._known[key]

    def _measure(self, face: FaceLandmarks, width: int, height: int) -> FaceMeasurement:
        if id(face) not in self._measured:
            self._measured[id(face)] = measure(face, width, height)
        return self._measured[id(face)]

    def that_matter(self, names: Sequence[str]) -> list[str]:
        """Those that change anything when moved alone."""
        before = self._shape({})
        return [name for name in names if any(self._shape({name: factor}) != before for factor in FACTORS)]

    def _shape(self, factors: Mapping[str, float]) -> list[dict[tuple[bool, FocusState], int]]:
        return [dict(counts) for one in self.by_person(factors).values() for counts in (one.final, one.live)]


def leave_one_out(clips: Sequence[LabelledClip], policy: Policy) -> dict[str, Any]:
    """By person: how right, and which constants were moved by which factor."""
    judge = _Judge(clips, policy)
    names = judge.that_matter(list(constants(policy)))
    tested: dict[str, Score] = {}
    moves: dict[str, dict[str, float]] = {}
    for person in tqdm(sorted(judge.by_person({})), unit="person", leave=False, disable=None):
        moves[person] = _tuned(judge, names, without=person)
        tested[person] = judge.by_person(moves[person])[person]
    return {
        "overall": total(tested.values()).report(),
        "people": {person: {"moved": moves[person], **one.report()} for person, one in tested.items()},
    }


def sensitivity(clips: Sequence[LabelledClip], policy: Policy) -> list[dict[str, Any]]:
    """Of each constant: by how many points accuracy rises, stored and live, with 15 % less and with 15 % more of it."""
    judge = _Judge(clips, policy)
    before = _points(judge.by_person({}))
    rows = []
    for name, value in tqdm(constants(policy).items(), unit="constant", leave=False, disable=None):
        less, more = (_points(judge.by_person({name: 1 + by})) for by in (-STEP, STEP))
        rows.append(
            {
                "constant": name,
                "value": value,
                "less": round(less[0] - before[0], 2),
                "less_live": round(less[1] - before[1], 2),
                "more": round(more[0] - before[0], 2),
                "more_live": round(more[1] - before[1], 2),
            }
        )
    return rows


def curve(clips: Sequence[LabelledClip], policy: Policy) -> list[dict[str, Any]]:
    """What telling changes sooner or later costs: median delay against false changes an hour, both live."""
    judge = _Judge(clips, policy)
    rows = []
    for patience in PATIENCE:
        told = total(judge.by_person(dict.fromkeys(TELLING, patience)).values()).report()
        rows.append(
            {
                "patience": patience,
                "delay_s": told["change_delay_s"] and told["change_delay_s"]["median"],
                "live_false_changes_per_hour": told["live_false_changes_per_hour"],
                "live_accuracy": told["live_accuracy"],
            }
        )
    return rows


def _tuned(judge: _Judge, names: Sequence[str], without: str) -> dict[str, float]:
    chosen: dict[str, float] = {}
    best = _worth(judge.by_person(chosen), without)
    for _ in range(ROUNDS):
        tries = [chosen | {name: factor} for name in names for factor in FACTORS if name not in chosen]
        if not tries:
            break
        worth, candidate = max(
            ((_worth(judge.by_person(one), without), one) for one in tries), key=lambda pair: pair[0]
        )
        if worth < best + LEAST_GAIN:
            break
        best, chosen = worth, candidate
    return chosen


def _points(people: Mapping[str, Score]) -> tuple[float, float]:
    """Accuracy, stored and live, in per cent."""
    everybody = total(people.values())
    return 100 * (accuracy(everybody.final) or 0.0), 100 * (accuracy(everybody.live) or 0.0)


def _worth(people: Mapping[str, Score], without: str | None = None) -> float:
    """What is tuned for: the mean of stored and live accuracy."""
    others = total(one for person, one in people.items() if person != without)
    return ((accuracy(others.final) or 0.0) + (accuracy(others.live) or 0.0)) / 2

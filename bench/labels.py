"""What labelled clips show, and who is in them."""

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

UNSCORED = ("uncertain", "multiple_faces")


@dataclass(frozen=True, slots=True)
class Label:
    start_s: float
    end_s: float
    state: str

    @property
    def scored(self) -> bool:
        return self.state not in UNSCORED

    @property
    def focused(self) -> bool:
        return self.state == "focused"


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is in a clip."""

    person: str
    """Empty where nobody is known."""
    kinds: tuple[str, ...]


def read_truth(path: Path) -> dict[str, list[Label]]:
    """Labels by file name, in order."""
    truth = defaultdict(list)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            truth[row["file"]].append(Label(float(row["start_s"]), float(row["end_s"]), row["state"]))
    return dict(truth)


def read_subjects(path: Path) -> dict[str, Subject]:
    """Of a CSV of file, person, kinds (separated by `;`); by file name."""
    with path.open(newline="", encoding="utf-8") as file:
        return {
            row["file"]: Subject(row["person"], tuple(kind for kind in row["kinds"].split(";") if kind))
            for row in csv.DictReader(file)
        }


def label_at(labels: Sequence[Label], at_s: float) -> Label | None:
    """The label of this moment, if it is scored."""
    return next((one for one in labels if one.start_s <= at_s < one.end_s and one.scored), None)

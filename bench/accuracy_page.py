"""docs/accuracy.md, written from what `python -m bench accuracy` found."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

INTRODUCTION = """# How right it is

Written by `python -m bench accuracy --clips DIR --truth CSV --by CSV --leave-one-out --sensitivity --curve --write`.
Frames of labelled clips; UNKNOWN counts as wrong. *Stored* is what is kept, dated back; *live* is what was said at
that moment. The clips are not part of this repository. What it is for, and for whom it was measured:
[model-card.md](model-card.md).
"""


def page(report: Mapping[str, Any], older: str = "") -> str:
    """Markdown of all that the report holds. What it lacks stays as it is in the older page, with that one's policy."""
    parts = [INTRODUCTION, _overall(report)]
    for title, name, write in (
        ("By kind of person", "kinds", _kinds),
        ("On people it was not tuned to", "leave_one_out", _strangers),
        ("Confidence", "reliability", _reliability),
        ("Sooner or later", "curve", _curve),
        ("What each constant matters", "sensitivity", _sensitivity),
    ):
        section = write(report[name]) if name in report else _kept(title, older)
        if section:
            parts.append(f"## {title}\n\n{section}")
    return "\n".join(parts)


def _kept(title: str, older: str) -> str:
    """A section of the older page, and under which policy it was measured."""
    found = re.search(rf"^## {re.escape(title)}\n\n(.*?)(?=\n^## |\Z)", older, re.DOTALL | re.MULTILINE)
    policy = re.search(r"policy (\w+/\d+)", older)
    if not found:
        return ""
    if policy is None or found[1].startswith("*Measured under"):
        return found[1]
    return f"*Measured under the policy {policy[1]}.* {found[1]}"


def _overall(report: Mapping[str, Any]) -> str:
    found = report["overall"]
    stored, balanced, live = (found[name] for name in ("accuracy", "balanced_accuracy", "live_accuracy"))
    delay = found["change_delay_s"]
    sentences = [
        f"{found['frames']} frames, {report['fps']:g} a second, policy {report['policy']}:",
        f"**{_percent(stored)} stored** (balanced {_percent(balanced)}), **{_percent(live)} live**.",
        f"A change is told after {delay['median']:.2f} s (median of {delay['n']}).",
        f"False changes an hour: {found['false_changes_per_hour']} stored,",
        f"{found['live_false_changes_per_hour']} live.",
    ]
    return " ".join(sentences) + "\n"


def _kinds(kinds: Mapping[str, Any]) -> str:
    rows = [
        (
            kind.replace("_", " "),
            one["people"],
            one["frames"],
            _percent(one["accuracy"]),
            _percent(one["live_accuracy"]),
        )
        for kind, one in kinds.items()
    ]
    return "A person can be of several kinds.\n\n" + _table(("kind", "people", "frames", "stored", "live"), rows)


def _strangers(found: Mapping[str, Any]) -> str:
    overall = found["overall"]
    rows = [
        (
            person, one["frames"], _percent(one["accuracy"]), _percent(one["live_accuracy"]),
            ", ".join(f"{name} x{factor:g}" for name, factor in one["moved"].items()) or "none",
        )
        for person, one in found["people"].items() if one["frames"] and "/" not in person  # clips without anybody
    ]  # fmt: skip
    return (
        "Every constant is tuned on all people but one, and tested on that one, in turn: "
        f"**{_percent(overall['accuracy'])} stored, {_percent(overall['live_accuracy'])} live**.\n\n"
        + _table(("left out", "frames", "stored", "live", "constants moved by the others"), rows)
    )


def _reliability(bins: Iterable[tuple[int, float, float]]) -> str:
    rows = [(count, f"{said:.2f}", f"{right:.2f}") for count, said, right in bins]
    return "How often the live state is right when it is said with so much confidence.\n\n" + _table(
        ("frames", "confidence", "right"), rows
    )


def _curve(curve: Iterable[Mapping[str, Any]]) -> str:
    rows = [
        (
            f"x{row['patience']:g}", row["delay_s"], row["live_false_changes_per_hour"],
            _percent(row["live_accuracy"]),
        )
        for row in curve
    ]  # fmt: skip
    return (
        "What must speak for a change before it is told, in multiples of what is built in. On noisier faces than these "
        "false changes begin earlier.\n\n"
        + _table(("evidence and time", "median delay s", "false changes an hour", "live"), rows)
    )


def _sensitivity(rows: Iterable[Mapping[str, Any]]) -> str:
    moving = [
        (f"`{row['constant']}`", f"{row['value']:g}", *(f"{row[name]:+.2f}" for name in _MOVES))
        for row in rows
        if any(row[name] for name in _MOVES)
    ]
    return (
        "Points of accuracy won or lost when one constant alone is moved by 15 %. Those not named move nothing.\n\n"
        + _table(("constant", "value", "stored, less", "stored, more", "live, less", "live, more"), moving)
    )


_MOVES = ("less", "more", "less_live", "more_live")


def _table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"

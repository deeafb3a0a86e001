"""What was measured, as JSON and as a section of docs/benchmarks.md."""

import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from bench.processes import cores

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
PACKAGES = ("rtc-server", "aiortc", "av", "mediapipe", "numpy", "uvloop")
HEAD = """\
# Benchmarks

Written by `python -m bench NAME --write`, a section each. Servers run as they are deployed, each alone on
one core, with the load on another; all send the same clip. Numbers are medians over runs, with the least
and the most where it says so; ratios are taken within one run. Of a shared machine's cores, its host gives some to
others: where that was more than a hundredth, what is about latency is measured again later, three times at most, and
the calmest counts. What was stolen in all stands below each section. Milliseconds are from the moment a frame's
last packet left the sender to the arrival of the update about it.
"""


@dataclass(frozen=True, slots=True)
class Goal:
    """What was aimed at, what came, and if it was missed, why and what would close the gap."""

    aim: str
    result: str
    met: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    name: str
    what: str
    rows: Sequence[Mapping[str, Any]]
    goals: Sequence[Goal] = ()
    stolen_share: float = 0.0
    """Of the time, in which the server's core could have worked and its host let another guest have it."""

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "machine": machine(),
            "stolen_share": self.stolen_share,
            "rows": [dict(row) for row in self.rows],
            "goals": [{"aim": goal.aim, "result": goal.result, "met": goal.met} for goal in self.goals],
        }

    def as_markdown(self, clip_name: str) -> str:
        parts = [f"## {self.name}", self.what, _table(self.rows)]
        parts += [_goal(goal) for goal in self.goals]
        parts.append(f"*{_machine_line()}; clip: {clip_name}; {self.stolen_share:.1%} of the cores stolen.*")
        return "\n\n".join(parts)


def machine() -> dict[str, Any]:
    return {
        "processor": _processor(),
        "cores": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "date": datetime.now(UTC).date().isoformat(),
        "server_core": cores()[0],
    }


def write(report: Report, clip_name: str, page: Path = PAGE) -> None:
    """Puts the report's section into the page, in the place of an older one."""
    text = page.read_text() if page.exists() else HEAD
    begin, end = f"<!-- {report.name} -->", f"<!-- end of {report.name} -->"
    section = f"{begin}\n{report.as_markdown(clip_name)}\n{end}"
    older = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    replaced, found = older.subn(lambda _match: section, text)
    page.write_text(replaced if found else f"{text.rstrip()}\n\n{section}\n")


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    names = list(rows[0])
    lines = [" | ".join(name.replace("_", " ") for name in names), " | ".join("---" for _ in names)]
    lines += [" | ".join(_cell(row.get(name)) for name in names) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return str(value)


def _goal(goal: Goal) -> str:
    verdict = "Met" if goal.met else "Missed"
    return f"**{verdict}**: {goal.aim}; measured {goal.result}. {goal.note}".rstrip()


def _machine_line() -> str:
    facts = machine()
    packages = ", ".join(f"{name} {number}" for name, number in facts["packages"].items() if number)
    return (
        f"{facts['date']}; {facts['processor']}, {facts['cores']} cores, {facts['memory_gb']} GB, "
        f"{facts['system']}, Python {facts['python']}; {packages}"
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists() and (named := re.search(r"model name\s*: (.+)", cpuinfo.read_text())):
        return named[1]
    return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None

"""`peers`: this server beside what others would build for the same job, in one run."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

from bench.crowd import SPREAD, Crowd, Window, crowd
from bench.figures import largest_carried
from bench.in_chromium import TRIES_S, kbit_per_s_of_chromium
from bench.old_page import old_pages
from bench.processes import ROOT, MeasuredServer, our_server, running
from bench.report import Goal, Report
from bench.rival_packages import rival_python, rival_versions
from bench.run import Run
from rtc_server.publisher.encoded_clip import FRAMES_PER_S, EncodedClip

LEARNERS = 4
MOST_MS = 200.0
FAR_MS = 1000.0
"""Past this, pictures pile up."""
LEAST_ANSWERED = 0.9
MOST_LEARNERS = 48
CPU_AIM, BANDWIDTH_AIM = 0.5, 0.1
OURS, OLD = "rtc-server", "old transport"
COLUMNS = ("core_percent", "kbit_per_s", "p50_ms", "p95_ms", "mb_a_learner")


@dataclass(frozen=True, slots=True)
class Side:
    name: str
    start: Callable[[], AbstractAsyncContextManager[MeasuredServer]]
    load: Callable[[MeasuredServer, EncodedClip, int], AbstractAsyncContextManager[Crowd]] = crowd
    kbit_per_s: Callable[[MeasuredServer, EncodedClip, float], Awaitable[float]] | None = kbit_per_s_of_chromium
    """None: what its load sends is what a browser would."""


def sides() -> list[Side]:
    python = rival_python()

    def rival(program: str, path: str) -> Callable[[], AbstractAsyncContextManager[MeasuredServer]]:
        return lambda: running([python, str(ROOT / "bench" / "rivals" / f"{program}.py"), "{port}"], path)

    return [
        Side(f"{OURS}, full rate", lambda: our_server(adaptive=False)),
        Side(f"{OURS}, adaptive", lambda: our_server(adaptive=True)),
        Side("plain aiortc", rival("plain_aiortc", "/whip")),
        Side("fastrtc", rival("with_fastrtc", "/whip")),
        Side(OLD, rival("old_transport", ""), old_pages, None),
    ]


async def peers(run: Run) -> Report:
    measured: dict[str, list[dict[str, float]]] = {}
    for _ in range(run.runs):
        for side in sides():
            measured.setdefault(side.name, []).append(await _measure(run, side))
            run.say(f"peers: {side.name}: {measured[side.name][-1]}")
    rows: list[dict[str, Any]] = [
        {"server": name, **{column: median(one[column] for one in found) for column in found[0]}}
        for name, found in measured.items()
    ]
    return Report(
        "peers",
        f"Each alone on one core, with {LEARNERS} learners at {FRAMES_PER_S:.0f} frames a second, the same clip and "
        "the same FaceMesh models; then as many as it carries with p95 at most "
        f"{MOST_MS:.0f} ms and {LEAST_ANSWERED:.0%} of each learner's frames answered (adaptive: 5 a second). "
        "For each learner: percent of a core, memory added to the idle server, and kbit/s both ways of a page in "
        f"Chromium that sets no limit of its own, {TRIES_S:.0f} s after it came. The old transport is "
        "rebuilt from its description: base64 JPEG over Socket.IO to Flask; plain aiortc works as its server example "
        f"does; fastrtc as its documentation does for analysis on the server ({rival_versions()}). {SPREAD}",
        rows,
        _goals(rows),
    )


async def _measure(run: Run, side: Side) -> dict[str, float]:
    window, idle = await run.calmly(partial(_in_a_window, run, side))
    # Each time a fresh one, in which nobody who was too much for it has left anything.
    kbit_per_s = window.kbit_per_s
    if side.kbit_per_s is not None:
        async with side.start() as server:
            kbit_per_s = await side.kbit_per_s(server, run.clip, run.seconds)
    async with side.start() as server:
        learners = await largest_carried(lambda count: _carries(run, side, server, count), LEARNERS, MOST_LEARNERS)
    return {
        "core_percent": 100 * window.core_share,
        "kbit_per_s": kbit_per_s,
        "p50_ms": window.p50_ms,
        "p95_ms": window.p95_ms,
        "mb_a_learner": (window.server_rss_bytes - idle) / 2**20 / LEARNERS,
        "learners": learners,
    }


async def _in_a_window(run: Run, side: Side) -> tuple[Window, int]:
    """And the bytes of the server before anybody came."""
    async with side.start() as server:
        await asyncio.sleep(1.0)
        idle = server.usage().rss_bytes
        async with side.load(server, run.clip, LEARNERS) as guests:
            return await guests.measure(run.seconds), idle


async def _carries(run: Run, side: Side, server: MeasuredServer, count: int) -> bool:
    carried = partial(_is_carried, adaptive="adaptive" in side.name)

    def is_clear(window: Window) -> bool:
        return carried(window) or window.p95_ms > FAR_MS

    async def measure() -> Window:
        async with side.load(server, run.clip, count) as guests:
            return await guests.measure(run.seconds)

    try:
        return carried(await run.calmly(measure, enough=is_clear))
    except (RuntimeError, TimeoutError):
        return False


def _is_carried(window: Window, *, adaptive: bool) -> bool:
    due_per_s = 5.0 if adaptive else LEAST_ANSWERED * FRAMES_PER_S
    return window.p95_ms <= MOST_MS and window.fewest_updates >= due_per_s * window.seconds - 1


def _ahead(mode: str, ours: dict[str, Any], rivals: list[dict[str, Any]]) -> Goal:
    behind = [
        f"behind the {column.replace('_', ' ')} of {row['server']}"
        for row in rivals
        for column in (*COLUMNS, "learners")
        if (row[column] > ours[column] if column == "learners" else row[column] < ours[column])
    ]
    return Goal(f"ahead of each in every column, {mode}", ", ".join(behind) or "ahead", met=not behind)


def _goals(rows: list[dict[str, Any]]) -> list[Goal]:
    full, adaptive = rows[:2]
    old = next(row for row in rows if row["server"] == OLD)
    rivals = [row for row in rows if not row["server"].startswith(OURS)]
    goals = []
    for mode, ours in (("as it comes", adaptive), ("at full rate", full)):
        cpu, bandwidth = (ours[column] / old[column] for column in ("core_percent", "kbit_per_s"))
        goals += [
            _ahead(mode, ours, rivals),
            Goal(f"at most {CPU_AIM} of the old transport's CPU, {mode}", f"{cpu:.2f}", cpu <= CPU_AIM),
            Goal(f"at most {BANDWIDTH_AIM} of its bandwidth, {mode}", f"{bandwidth:.3f}", bandwidth <= BANDWIDTH_AIM),
        ]
    return goals

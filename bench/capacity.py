"""`capacity`: how many learners one core carries."""

from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from bench.carried import MOST_MS, carried
from bench.clip import LIVELY, MADE, STILL, cameras
from bench.crowd import SPREAD, Window
from bench.figures import spread
from bench.floor import FACE_MESH, floor_process
from bench.processes import our_server
from bench.report import Goal, Report
from bench.run import Run
from rtc_server.publisher.encoded_clip import FRAMES_PER_S

LEAST_ANSWERED = {"full": 0.95, "adaptive": 0.3}
"""Share of frames that must be answered: all but a few at full rate, five a second in adaptive mode."""


@dataclass(frozen=True, slots=True)
class Case:
    camera: str
    mode: str
    start: int
    """Learners with whom the search begins."""
    aim: float
    """Times the wall, at least."""


CASES = (
    Case(MADE, "full", 8, 0.96),
    Case(MADE, "adaptive", 20, 2.2),
    Case(STILL, "adaptive", 22, 2.8),
    Case(LIVELY, "adaptive", 20, 2.2),
)


async def capacity(run: Run) -> Report:
    clips = cameras(run.clip, run.recordings)
    cases = [case for case in CASES if case.camera in clips]
    rows = [await _carried(replace(run, clip=clips[case.camera]), case) for case in cases]
    return Report(
        "capacity",
        f"Learners at {FRAMES_PER_S:.0f} frames a second that one core carries: p95 at most {MOST_MS:.0f} ms, and "
        f"nobody left behind (full rate: {LEAST_ANSWERED['full']:.0%} of each learner's frames answered; adaptive: "
        f"{LEAST_ANSWERED['adaptive'] * FRAMES_PER_S:.1f} updates a second for each). `wall`: learners whose floors "
        f"alone (see there, measured before and after) would fill the core at full rate; `of it`: learners carried, "
        f"as a multiple of that. {SPREAD}",
        rows,
        [_goal(case, row) for case, row in zip(cases, rows, strict=True)],
    )


async def _carried(run: Run, case: Case) -> dict[str, Any]:
    found, floors = [], []
    windows: dict[int, Window] = {}
    for _ in range(run.runs):
        floors.append(await _floor_ms(run))
        async with our_server(adaptive=case.mode == "adaptive") as server:
            due_per_s = LEAST_ANSWERED[case.mode] * FRAMES_PER_S
            what = f"capacity: {case.camera}, {case.mode}"
            found.append(await carried(run, server, what, due_per_s, case.start, windows))
        floors.append(await _floor_ms(run))
    learners = spread(found)
    window = windows.get(int(learners.median))
    wall = 1000 / FRAMES_PER_S / median(floors)
    return {
        "camera": case.camera,
        "mode": case.mode,
        "learners": int(learners.median),
        "least": int(learners.least),
        "most": int(learners.most),
        "p50_ms": window and window.p50_ms,
        "p95_ms": window and window.p95_ms,
        "core_share": window and window.server_cpu_s / window.seconds,
        "updates_per_s": window and window.updates / window.seconds / window.learners,
        "floor_ms": median(floors),
        "wall": wall,
        "of_it": learners.median / wall,
    }


async def _floor_ms(run: Run) -> float:
    async with floor_process(run.clip, FACE_MESH) as process:
        return (await process.measure(run.seconds))["floor_ms"]


def _goal(case: Case, row: dict[str, Any]) -> Goal:
    what = f"{case.aim} of the wall, {case.mode}, {case.camera}"
    return Goal(what, f"{row['of_it']:.2f}", row["of_it"] >= case.aim)

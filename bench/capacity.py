"""`capacity`: how many learners one core carries."""

from statistics import median
from typing import Any

from bench.carried import MOST_MS, carried
from bench.crowd import SPREAD, Window
from bench.figures import spread
from bench.floor import FACE_MESH, floor_process
from bench.processes import our_server
from bench.report import Goal, Report
from bench.run import Run
from rtc_server.publisher.encoded_clip import FRAMES_PER_S

LEAST_ANSWERED = {"full": 0.95, "adaptive": 0.3}
"""Share of frames that must be answered: all but a few at full rate, five a second in adaptive mode."""
AIMS = {"full": 17, "adaptive": 40}
STARTS = {"full": 8, "adaptive": 20}
SUPPOSED_FLOOR_MS = 3.75
"""Of the machine that the aims are meant for. They are as many times its wall as these learners are of ours."""


async def capacity(run: Run) -> Report:
    rows: list[dict[str, Any]] = []
    for mode in ("full", "adaptive"):
        found, floors = [], []
        windows: dict[int, Window] = {}
        for _ in range(run.runs):
            floors.append(await _floor_ms(run))
            async with our_server(adaptive=mode == "adaptive") as server:
                due_per_s = LEAST_ANSWERED[mode] * FRAMES_PER_S
                found.append(await carried(run, server, f"capacity: {mode}", due_per_s, STARTS[mode], windows))
            floors.append(await _floor_ms(run))
        learners = spread(found)
        window = windows.get(int(learners.median))
        floor_ms = median(floors)
        rows.append(
            {
                "mode": mode,
                "learners": int(learners.median),
                "least": int(learners.least),
                "most": int(learners.most),
                "p50_ms": window and window.p50_ms,
                "p95_ms": window and window.p95_ms,
                "core_share": window and window.server_cpu_s / window.seconds,
                "updates_per_s": window and window.updates / window.seconds / window.learners,
                "floor_ms": floor_ms,
                "wall": _wall(floor_ms),
            }
        )
    return Report(
        "capacity",
        f"Learners at {FRAMES_PER_S:.0f} frames a second that one core carries: p95 at most {MOST_MS:.0f} ms, and "
        f"nobody left behind (full rate: {LEAST_ANSWERED['full']:.0%} of each learner's frames answered; adaptive: "
        f"{LEAST_ANSWERED['adaptive'] * FRAMES_PER_S:.1f} updates a second for each). `wall`: learners whose floors "
        f"alone (see there, measured before and after) would fill the core at full rate. {SPREAD}",
        rows,
        [goal for row in rows for goal in _goals(row)],
    )


def _wall(floor_ms: float) -> float:
    return 1000 / FRAMES_PER_S / floor_ms


async def _floor_ms(run: Run) -> float:
    async with floor_process(run.clip, FACE_MESH) as process:
        return (await process.measure(run.seconds))["floor_ms"]


def _goals(row: dict[str, Any]) -> list[Goal]:
    mode, learners = row["mode"], row["learners"]
    aim = AIMS[mode]
    share, aimed_share = learners / row["wall"], aim / _wall(SUPPOSED_FLOOR_MS)
    return [
        Goal(
            f"{aim} learners ({mode}), where a frame's floor is {SUPPOSED_FLOOR_MS} ms", str(learners), learners >= aim
        ),
        Goal(f"{aimed_share:.2g} of the wall, which is the same ({mode})", f"{share:.2f}", share >= aimed_share),
    ]

"""`capacity`: how many learners one core carries."""

from functools import partial
from statistics import median
from typing import Any

from bench.crowd import SPREAD, Window, crowd
from bench.figures import largest_carried, spread
from bench.floor import FACE_MESH, floor_process
from bench.processes import MeasuredServer, our_server
from bench.report import Goal, Report
from bench.run import Run
from rtc_server.publisher.encoded_clip import FRAMES_PER_S

MOST_MS = 100.0
LEAST_ANSWERED = {"full": 0.95, "adaptive": 0.3}
"""Share of frames that must be answered: all but a few at full rate, five a second in adaptive mode."""
AIMS = {"full": 17, "adaptive": 40}
STARTS = {"full": 8, "adaptive": 20}
SUPPOSED_FLOOR_MS = 3.75
"""Of the machine that the aims are meant for. They are as many times its wall as these learners are of ours."""
MOST_LEARNERS = 96


async def capacity(run: Run) -> Report:
    rows: list[dict[str, Any]] = []
    for mode in ("full", "adaptive"):
        found, floors = [], []
        windows: dict[int, Window] = {}
        for _ in range(run.runs):
            floors.append(await _floor_ms(run))
            async with our_server(adaptive=mode == "adaptive") as server:
                found.append(await _carried(run, server, mode, windows))
            floors.append(await _floor_ms(run))
        carried = spread(found)
        window = windows.get(int(carried.median))
        floor_ms = median(floors)
        rows.append(
            {
                "mode": mode,
                "learners": int(carried.median),
                "least": int(carried.least),
                "most": int(carried.most),
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


async def _carried(run: Run, server: MeasuredServer, mode: str, windows: dict[int, Window]) -> int:
    first_user = 1
    due = LEAST_ANSWERED[mode] * FRAMES_PER_S

    def is_carried(window: Window) -> bool:
        return window.p95_ms <= MOST_MS and window.fewest_updates >= due * window.seconds - 1

    async def measure(count: int) -> Window:
        nonlocal first_user
        # Nobody who was here before, so that no session is continued.
        first_user += MOST_LEARNERS
        async with crowd(server, run.clip, count, first_user=first_user) as guests:
            return await guests.measure(run.seconds)

    async def carries(count: int) -> bool:
        try:
            window = await run.calmly(partial(measure, count), enough=is_carried)
        except (RuntimeError, TimeoutError):
            return False
        run.say(f"capacity: {mode}, {count} learners: p95 {window.p95_ms:.0f} ms, {window.answered:.0%} answered")
        good = is_carried(window)
        if good:
            windows[count] = window
        return good

    return await largest_carried(carries, STARTS[mode], MOST_LEARNERS)

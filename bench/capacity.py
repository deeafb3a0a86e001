"""`capacity`: how many learners one core carries."""

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
MOST_LEARNERS = 96


async def capacity(run: Run) -> Report:
    rows: list[dict[str, Any]] = []
    for mode in ("full", "adaptive"):
        found = []
        windows: dict[int, Window] = {}
        for _ in range(run.runs):
            async with our_server(adaptive=mode == "adaptive") as server:
                found.append(await _carried(run, server, mode, windows))
        carried = spread(found)
        window = windows.get(int(carried.median))
        async with floor_process(run.clip, FACE_MESH) as process:
            floor = await process.measure(run.seconds)
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
                "floor_ms": floor["floor_ms"],
                "wall": 1000 / FRAMES_PER_S / floor["floor_ms"],
            }
        )
    return Report(
        "capacity",
        f"Learners at {FRAMES_PER_S:.0f} frames a second that one core carries: p95 at most {MOST_MS:.0f} ms, and "
        f"nobody left behind (full rate: {LEAST_ANSWERED['full']:.0%} of each learner's frames answered; adaptive: "
        f"{LEAST_ANSWERED['adaptive'] * FRAMES_PER_S:.1f} updates a second for each). `wall`: learners whose floors "
        f"alone (see there, measured just after) would fill the core at full rate. {SPREAD}",
        rows,
        [_goal(row) for row in rows],
    )


def _goal(row: dict[str, Any]) -> Goal:
    aim = AIMS[row["mode"]]
    return Goal(f"{aim} learners ({row['mode']})", str(row["learners"]), row["learners"] >= aim)


async def _carried(run: Run, server: MeasuredServer, mode: str, windows: dict[int, Window]) -> int:
    first_user = 1

    async def carries(count: int) -> bool:
        nonlocal first_user
        # Nobody who was here before, so that no session is continued.
        first_user += MOST_LEARNERS
        try:
            async with crowd(server, run.clip, count, first_user=first_user) as guests:
                window = await guests.measure(run.seconds)
        except (RuntimeError, TimeoutError):
            return False
        due = LEAST_ANSWERED[mode] * FRAMES_PER_S * window.seconds
        run.say(f"capacity: {mode}, {count} learners: p95 {window.p95_ms:.0f} ms, {window.answered:.0%} answered")
        good = window.p95_ms <= MOST_MS and window.fewest_updates >= due - 1
        if good:
            windows[count] = window
        return good

    return await largest_carried(carries, STARTS[mode], MOST_LEARNERS)

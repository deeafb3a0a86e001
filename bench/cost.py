"""`cost`: the server's whole CPU for one frame, against the floor."""

import asyncio
from typing import Any

from bench.crowd import SPREAD, Window, crowd
from bench.figures import spread
from bench.floor import FACE_MESH, floor_process
from bench.processes import our_server
from bench.report import Goal, Report
from bench.run import Run

LEARNERS = (1, 4, 8, 12)
FULL_AIM, ADAPTIVE_AIM = 1.12, 0.5


async def cost(run: Run) -> Report:
    """Everything the process does (RTP, DTLS, data channel, database) is in the cost."""
    rows = [await _row(run, mode, learners) for mode in ("full", "adaptive") for learners in LEARNERS]
    return Report(
        "cost",
        "The server's whole CPU, RTP, DTLS, data channel and database included, for each frame: at full rate for each "
        "analysed frame, adaptively for each received one. `floor`: see there, with the stock FaceMesh, sampled every "
        "second on the same core while the server is measured. Milliseconds of CPU. "
        f"{SPREAD}",
        rows,
        [_goal(rows, "full", FULL_AIM), _goal(rows, "adaptive", ADAPTIVE_AIM)],
    )


async def _row(run: Run, mode: str, learners: int) -> dict[str, Any]:
    floors, costs, ratios, answered = [], [], [], []
    for _ in range(run.runs):
        async with (
            our_server(adaptive=mode == "adaptive") as server,
            floor_process(run.clip, FACE_MESH) as process,
            crowd(server, run.clip, learners) as guests,
        ):
            window, floor = await asyncio.gather(
                guests.measure(run.seconds), process.measure(run.seconds, sampled=True)
            )
        floors.append(floor["floor_ms"])
        costs.append(_cost_ms(window, mode))
        ratios.append(costs[-1] / floors[-1])
        run.say(f"cost: {mode}, {learners} learners: {costs[-1]:.2f} ms, {ratios[-1]:.2f} of the floor")
        answered.append(window.answered)
    ratio = spread(ratios)
    return {
        "mode": mode,
        "learners": learners,
        "floor_ms": spread(floors).median,
        "cost_ms": spread(costs).median,
        "ratio_to_floor": ratio.median,
        "least_ratio": ratio.least,
        "most_ratio": ratio.most,
        "updates_per_frame": spread(answered).median,
    }


def _cost_ms(window: Window, mode: str) -> float:
    frames = window.updates if mode == "full" else window.frames_sent
    return 1000 * window.server_cpu_s / frames if frames else float("inf")


def _goal(rows: list[dict[str, Any]], mode: str, aim: float) -> Goal:
    (row,) = (row for row in rows if (row["mode"], row["learners"]) == (mode, 8))
    each = "analysed frame at full rate" if mode == "full" else "received frame in adaptive mode"
    return Goal(
        f"at most {aim} of the floor for each {each}, with 8 learners",
        f"{row['ratio_to_floor']:.2f}",
        row["ratio_to_floor"] <= aim,
    )

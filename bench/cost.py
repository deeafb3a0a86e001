"""`cost`: the server's whole CPU for one frame, against the floor, and against an earlier version."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.clip import LIVELY, MADE, STILL, cameras
from bench.crowd import SPREAD, Window, crowd
from bench.figures import spread
from bench.floor import FACE_MESH, floor_process
from bench.processes import ROOT, our_server
from bench.report import Goal, Report
from bench.run import Run
from rtc_server.publisher.encoded_clip import EncodedClip

FULL_AIM = 0.85
ADAPTIVE_AIMS = {STILL: 0.35, LIVELY: 0.45}


@dataclass(frozen=True, slots=True)
class Case:
    camera: str
    mode: str
    learners: int
    aim: float | None = None
    """Of the floor, at most."""
    layered: bool = False
    """Half of the pictures can be left out, as our page sends them where the browser can."""

    @property
    def sent(self) -> str:
        return f"{self.camera}, in two layers" if self.layered else self.camera


CASES = (
    Case(MADE, "full", 1),
    Case(MADE, "full", 8, FULL_AIM),
    Case(MADE, "adaptive", 16),
    *(Case(camera, "adaptive", 16, aim, layered) for camera, aim in ADAPTIVE_AIMS.items() for layered in (False, True)),
)


async def cost(run: Run) -> Report:
    """Everything the process does (RTP, DTLS, data channel, database) is in the cost."""
    clips = {layered: cameras(run.clip, run.recordings, layered=layered) for layered in (False, True)}
    found = {
        case: await _measured(run, case, clips[case.layered][case.camera])
        for case in CASES
        if case.camera in clips[case.layered]
    }
    return Report(
        "cost",
        "The server's whole CPU, RTP, DTLS, data channel and database included, for each frame: at full rate for each "
        "analysed frame, adaptively for each received one. `floor`: see there, with the stock FaceMesh, sampled every "
        "second on the same core while the server is measured. Milliseconds of CPU. "
        + ("`of before`: as a share of what an earlier version costs, measured in turn with it. " if run.before else "")
        + SPREAD,
        [_row(case, costs) for case, costs in found.items()],
        [_goal(case, costs) for case, costs in found.items() if case.aim is not None],
    )


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one measurement."""

    floor_ms: float
    frame_ms: float
    updates_per_frame: float
    before_ms: float | None
    """Of an earlier version."""


async def _measured(run: Run, case: Case, clip: EncodedClip) -> list[Cost]:
    costs = []
    for _ in range(run.runs):
        before = await _once(run, case, clip, run.before) if run.before else None
        floor_ms, window = await _once(run, case, clip, ROOT)
        frame_ms = _frame_ms(window, case.mode)
        costs.append(Cost(floor_ms, frame_ms, window.answered, before and _frame_ms(before[1], case.mode)))
        run.say(f"cost: {case.sent}, {case.mode}, {case.learners} learners: {costs[-1]}")
    return costs


async def _once(run: Run, case: Case, clip: EncodedClip, tree: Path) -> tuple[float, Window]:
    """The floor, and what the learners saw of a server of this tree meanwhile."""
    async with (
        our_server(adaptive=case.mode == "adaptive", tree=tree) as server,
        floor_process(clip, FACE_MESH) as process,
        crowd(server, clip, case.learners) as guests,
    ):
        window, floor = await asyncio.gather(guests.measure(run.seconds), process.measure(run.seconds, sampled=True))
    return floor["floor_ms"], window


def _row(case: Case, costs: list[Cost]) -> dict[str, Any]:
    ratio = spread([one.frame_ms / one.floor_ms for one in costs])
    gains = [one.frame_ms / one.before_ms for one in costs if one.before_ms is not None]
    return {
        "camera": case.sent,
        "mode": case.mode,
        "learners": case.learners,
        "floor_ms": spread([one.floor_ms for one in costs]).median,
        "cost_ms": spread([one.frame_ms for one in costs]).median,
        "of_the_floor": ratio.median,
        "least": ratio.least,
        "most": ratio.most,
        "updates_per_frame": spread([one.updates_per_frame for one in costs]).median,
        **({"of_before": spread(gains).median} if gains else {}),
    }


def _frame_ms(window: Window, mode: str) -> float:
    frames = window.updates if mode == "full" else window.frames_sent
    return 1000 * window.server_cpu_s / frames if frames else float("inf")


def _goal(case: Case, costs: list[Cost]) -> Goal:
    ratio = spread([one.frame_ms / one.floor_ms for one in costs]).median
    frame = "analysed frame at full rate" if case.mode == "full" else f"received frame, adaptive, {case.sent}"
    aim = case.aim or 0.0
    return Goal(f"at most {aim} of the floor for each {frame}, {case.learners} learners", f"{ratio:.2f}", ratio <= aim)

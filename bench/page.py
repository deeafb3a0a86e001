"""`page`: our own page, which looks at its camera and sends less while nothing moves, beside one that sends all."""

import asyncio
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from bench.clip import RECORDED, sitter
from bench.crowd import SPREAD, crowd
from bench.figures import spread
from bench.paced_page import PacedPage, Pictures, moving
from bench.processes import our_server
from bench.report import Goal, Report
from bench.run import Run
from bench.through_chromium import write_camera
from bench.turning_sitter import turning_sitter, turns_s
from bench.watched_clip import Watched, watched
from rtc_server.media.clip import Clip
from rtc_server.publisher.encoded_clip import FRAMES_PER_S, EncodedClip

LEARNERS = 4
TURNING = "made, still but for turns of the head"
FRAME_S = 1 / FRAMES_PER_S
POINTS_AIM = 0.3
_EPSILON_S = 1e-3

Pair = tuple[Watched, Watched]
"""What the server makes of a page that sends all, and of ours."""


async def page(run: Run) -> Report:
    cameras = _cameras(run)
    pairs = {name: await asyncio.to_thread(_watched, make) for name, make in cameras.items()}
    rows = [await _row(run, name, pair) for name, pair in pairs.items()]
    missing = RECORDED.keys() - cameras.keys()
    return Report(
        "page",
        f"{LEARNERS} learners at an adaptive server for each page. `all`: a page that sends 15 frames a second. `own`: "
        "our page; its own script decides (run by Node), and it sends from the next picture on, as browsers do. "
        "`looks`: pictures analysed, of one round of the pictures without a clock. CPU: all of a server's, in "
        "milliseconds for each second of a learner; both at the same time on one core. `focused`: the stored share in "
        "percent, of one round of the pictures, each at its own time. The goals about turns are of the same round: "
        f"{len(turns_s())} turns of the head by 45°. {SPREAD}"
        + (f" Without a recording of it: {', '.join(sorted(missing))}." if missing else ""),
        rows,
        [*_goals_of_turns(pairs[TURNING]), _goal_of_shares(rows)],
    )


def _cameras(run: Run) -> dict[str, Callable[[], Pictures]]:
    """What makes each camera's pictures."""
    cameras: dict[str, Callable[[], Pictures]] = {}
    for name, file in RECORDED.items():
        if run.recordings is not None and (run.recordings / file).exists():
            cameras[name] = partial(_recorded, run.recordings / file)
        else:
            run.say(f"page: no {file} in a folder given as --recordings: the made sitters have to do")
    return {**cameras, "made, reads": lambda: list(sitter()), TURNING: lambda: list(turning_sitter())}


def _recorded(path: Path) -> Pictures:
    """As a camera shows it."""
    with tempfile.TemporaryDirectory(prefix="rtc-bench-") as folder:
        camera = Path(folder) / "camera.y4m"
        write_camera(path, camera, lead_s=0.0, tail_s=0.0)
        with Clip(camera) as clip:
            return [(index / FRAMES_PER_S, frame) for index, (_, frame) in enumerate(clip.frames(FRAMES_PER_S))]


def _watched(make: Callable[[], Pictures]) -> Pair:
    pictures = make()
    return watched(pictures, None), watched(pictures, PacedPage(moving(pictures)))


async def _row(run: Run, name: str, pair: Pair) -> dict[str, Any]:
    costs = []
    for _ in range(run.runs):
        costs.append(await asyncio.gather(*(_ms_per_s(run, one.clip) for one in pair)))
        run.say(f"page: {name}: {costs[-1][0]:.1f} ms/s, our page {costs[-1][1]:.1f} ms/s")
    ratio = spread([own / all_ for all_, own in costs])
    everything, ours = pair
    return {
        "camera": name,
        "frames per s, all": _frames_per_s(everything.clip),
        "own": _frames_per_s(ours.clip),
        "looks per s, all": len(everything.told) / everything.clip.duration_s,
        "looks, own": len(ours.told) / ours.clip.duration_s,
        "CPU, all": spread([all_ for all_, _ in costs]).median,
        "CPU, own": spread([own for _, own in costs]).median,
        "ratio": ratio.median,
        "least": ratio.least,
        "most": ratio.most,
        "focused, all": 100 * everything.focused_share,
        "focused, own": 100 * ours.focused_share,
    }


async def _ms_per_s(run: Run, clip: EncodedClip) -> float:
    async with our_server(adaptive=True) as server, crowd(server, clip, LEARNERS) as guests:
        return 1000 * (await guests.measure(run.seconds)).core_share


def _frames_per_s(clip: EncodedClip) -> float:
    return len(clip.pictures) / clip.duration_s


def _goals_of_turns(pair: Pair) -> list[Goal]:
    told, own_told = ([1000 * one for one in watched.told_after_s(turns_s())] for watched in pair)
    dated, own_dated = ([1000 * one for one in watched.dated_s(turns_s())] for watched in pair)
    later_ms = sum(own_told) / len(own_told) - sum(told) / len(told)
    apart_ms = sum(own_dated) / len(own_dated) - sum(dated) / len(dated)
    return [
        Goal(
            "an update shows a turn no later than before, on average, and at most a frame (67 ms) after the turn",
            f"{later_ms:+.0f} ms, at most {max(own_told):.0f} ms after it",
            later_ms <= 0 and max(own_told) <= 1000 * (FRAME_S + _EPSILON_S),
        ),
        Goal(
            "changes are dated within a frame (67 ms) of before, on average, and none is missed",
            f"{apart_ms:+.0f} ms; {len(own_dated)} of {len(dated)}",
            abs(apart_ms) <= 1000 * FRAME_S and len(own_dated) == len(dated),
        ),
    ]


def _goal_of_shares(rows: list[dict[str, Any]]) -> Goal:
    apart = max(abs(row["focused, own"] - row["focused, all"]) for row in rows)
    return Goal(f"stored shares within {POINTS_AIM} points", f"{apart:.2f}", apart <= POINTS_AIM)

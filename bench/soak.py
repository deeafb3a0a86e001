"""`soak`: learners come and go for a long while, and the server holds no more at the end than after the start."""

import asyncio
import random
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import psutil

from bench.database_faults import private_database
from bench.fault_stage import LEARNERS, Stage, wait_for_server, watched
from bench.processes import SECRET
from bench.report import Goal, Report
from bench.run import Run
from rtc_server.learner import Learner
from rtc_server.web.access.auth import mint_token

STAYS_S = (4.0, 20.0)
SAMPLE_EVERY_S = 2.0
MOST_GROWTH = {"descriptors": 4, "threads": 2, "memory_mb": 10}
"""From the median of the first third to that of the last. A peer has up to four sockets, and memory comes in pieces."""


async def soak(run: Run) -> Report:
    seconds = 60.0 * run.memory_minutes
    samples: list[dict[str, float]] = []
    came = 0
    with tempfile.TemporaryDirectory(prefix="rtc-soak-") as folder, private_database("mysql") as database:
        stage = Stage(database.url, Path(folder))
        gate, chance, ends = asyncio.Semaphore(2), random.Random(15), time.monotonic() + seconds
        try:
            await stage.start()
            async with aiohttp.ClientSession() as http:
                await wait_for_server(http, stage.url)

                async def come_and_go(place: int) -> None:
                    nonlocal came
                    while time.monotonic() < ends:
                        came += 1
                        token = mint_token(SECRET, Learner(came, 1 + place), audience="rtc-server", ttl_s=3600)
                        one, enough = watched(http, f"{stage.url}/whip", token, run.clip), asyncio.Event()
                        asyncio.get_running_loop().call_later(chance.uniform(*STAYS_S), enough.set)
                        await one.learner.run(enough, gate)

                async with asyncio.TaskGroup() as tasks:
                    for place in range(LEARNERS):
                        tasks.create_task(come_and_go(place))
                    process = psutil.Process(stage.pid)
                    while time.monotonic() < ends:
                        await asyncio.sleep(SAMPLE_EVERY_S)
                        samples.append(_sample(process))
                        if len(samples) % 30 == 0:
                            run.say(f"soak: {came} learners came; {samples[-1]}")
            stored = await stage.stored()
        finally:
            await stage.close()
    third = max(1, len(samples) // 3)
    rows = [_row("first third", samples[:third]), _row("last third", samples[-third:])]
    still_open = sum(reason is None for _, _, reason in stored.values())
    return Report(
        "soak",
        f"{LEARNERS} places at one server with MariaDB, for {run.memory_minutes:g} minutes: each learner stays for "
        f"{STAYS_S[0]:g} to {STAYS_S[1]:g} s, and then the next one comes; {came} in all. Medians.",
        rows,
        [
            *(
                Goal(
                    f"{name.replace('_', ' ')}: at most {most} more in the last third",
                    f"{rows[1][name] - rows[0][name]:+.1f}",
                    rows[1][name] - rows[0][name] <= most,
                )
                for name, most in MOST_GROWTH.items()
            ),
            Goal("every session has ended", f"{still_open} of {len(stored)} have not", still_open == 0),
        ],
    )


def _sample(process: psutil.Process) -> dict[str, float]:
    return {
        "descriptors": process.num_fds(),
        "threads": process.num_threads(),
        "memory_mb": round(process.memory_info().rss / 1e6, 1),
    }


def _row(name: str, samples: list[dict[str, float]]) -> dict[str, Any]:
    return {"": name, **{key: median(sample[key] for sample in samples) for key in MOST_GROWTH}}

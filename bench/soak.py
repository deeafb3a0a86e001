"""`soak`: learners come and go for a long while, and the server holds no more at the end than after the start."""

import asyncio
import random
import re
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import psutil

from bench.database_faults import private_database
from bench.fault_stage import LEARNERS, NOTHING_S, Lesson, Stage, caught_up, wait_for_server, watched
from bench.processes import SECRET, free_port
from bench.report import Goal, Report
from bench.run import Run
from rtc_server.learner import Learner
from rtc_server.web.access.auth import mint_token

STAYS_S = (4.0, 20.0)
SAMPLE_EVERY_S = 2.0
MOST_GROWTH = {"descriptors": 9, "threads": 2, "tasks": 8, "memory_mb": 10}
"""From the median of the first third to that of the last. A peer has up to four sockets, the pools of the database keep
connections that they had to open once, and memory comes in pieces."""
ALL_ENDED_AFTER_S = 90.0
"""Who broke off might have come back within RTC_RESUME_WINDOW."""
_TASKS = re.compile(r"^rtc_server_tasks (\S+)$", re.MULTILINE)


@dataclass
class Process:
    """A server's process, and what it held at each sample."""

    name: str
    pid: int
    metrics: str
    """URL."""
    samples: list[dict[str, float]] = field(default_factory=list)

    async def sample(self, http: aiohttp.ClientSession) -> None:
        process = psutil.Process(self.pid)
        async with http.get(self.metrics) as answer:
            tasks = _TASKS.search(await answer.text())
        assert tasks is not None
        self.samples.append(
            {
                "descriptors": process.num_fds(),
                "threads": process.num_threads(),
                "tasks": float(tasks[1]),
                "memory_mb": round(process.memory_info().rss / 1e6, 1),
            }
        )

    def rows(self) -> list[dict[str, Any]]:
        """In the first third of the time, and in the last: medians."""
        third = max(1, len(self.samples) // 3)
        return [
            {"": f"{self.name}, {name} third", **{key: median(one[key] for one in samples) for key in MOST_GROWTH}}
            for name, samples in (("first", self.samples[:third]), ("last", self.samples[-third:]))
        ]


async def come_and_go(
    run: Run, lesson: Lesson, url: str, places: int, processes: Sequence[Process], seconds: float
) -> None:
    """So many learners at a time, each for a few seconds; all have left when it returns. `lesson` has all who came."""
    gate, chance, ends = asyncio.Semaphore(2), random.Random(15), time.monotonic() + seconds

    async def place(module_id: int) -> None:
        while time.monotonic() < ends:
            user_id = len(lesson.watched) + 1
            token = mint_token(SECRET, Learner(user_id, module_id), audience="rtc-server", ttl_s=3600)
            one, enough = watched(http, url, token, run.clip), asyncio.Event()
            lesson.watched.append(one)
            asyncio.get_running_loop().call_later(chance.uniform(*STAYS_S), enough.set)
            await one.learner.run(enough, gate)

    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as tasks:
        for module_id in range(1, places + 1):
            tasks.create_task(place(module_id))
        for number in range(round(seconds / SAMPLE_EVERY_S)):
            await asyncio.sleep(SAMPLE_EVERY_S)
            for process in processes:
                await process.sample(http)
            if number % 30 == 29:
                held = "; ".join(f"{process.name} {process.samples[-1]}" for process in processes)
                run.say(f"soak: {len(lesson.watched)} learners came; {held}")


async def kept(lesson: Lesson) -> list[Goal]:
    """What became of all who came and left again."""
    told = lesson.told()
    await caught_up(lesson, told)
    lost_s, ends = max(await lesson.lost_s(told)), time.monotonic() + ALL_ENDED_AFTER_S
    while (still_open := await _still_open(lesson)) and time.monotonic() < ends:  # noqa: ASYNC110 - rows do not tell
        await asyncio.sleep(1.0)
    return [
        Goal("nothing lost", f"{lost_s:.2f} s", lost_s <= NOTHING_S),
        Goal("every session has ended", f"{still_open} have not", still_open == 0),
    ]


async def _still_open(lesson: Lesson) -> int:
    return sum(reason is None for _, _, reason in (await lesson.stored()).values())


def flat(processes: Sequence[Process]) -> list[Goal]:
    """What a process holds does not grow."""
    goals = []
    for name, most in MOST_GROWTH.items():
        grown = max(last[name] - first[name] for first, last in map(Process.rows, processes))
        goals.append(
            Goal(f"{name.replace('_', ' ')}: at most {most} more in the last third", f"{grown:+.1f}", grown <= most)
        )
    return goals


@asynccontextmanager
async def _one_server() -> AsyncIterator[tuple[Stage, Process]]:
    metrics = free_port()
    with tempfile.TemporaryDirectory(prefix="rtc-soak-") as folder, private_database("mysql") as database:
        stage = Stage(database.url, Path(folder), settings={"RTC_METRICS_PORT": str(metrics)})
        try:
            await stage.start()
            async with aiohttp.ClientSession() as http:
                await wait_for_server(http, stage.url)
            yield stage, Process("the server", stage.pid, f"http://127.0.0.1:{metrics}/metrics")
        finally:
            await stage.close()


async def soak(run: Run) -> Report:
    async with _one_server() as (stage, process):
        await come_and_go(run, stage, f"{stage.url}/whip", LEARNERS, [process], 60.0 * run.memory_minutes)
        goals = await kept(stage)
    return Report(
        "soak",
        f"{LEARNERS} places at one server with MariaDB, for {run.memory_minutes:g} minutes: each learner stays for "
        f"{STAYS_S[0]:g} to {STAYS_S[1]:g} s, and then the next one comes; {len(stage.watched)} in all. Medians.",
        process.rows(),
        [*flat([process]), *goals],
    )

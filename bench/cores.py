"""`cores`: learners that one worker carries, and two with the same share of a core each; beside them, two threads."""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psutil

from bench.carried import MOST_MS, carried
from bench.crowd import Window
from bench.figures import spread
from bench.processes import MANY, SECRET, MeasuredServer, running
from bench.quota import share_of_a_core
from bench.report import Goal, Report
from bench.run import Run
from rtc_server.publisher.encoded_clip import FRAMES_PER_S
from tests.redis_server import private_redis

SHARE = 0.45
"""Of a core, for each worker: two of them and the load fit on a machine with two."""
PLACES = 16
"""In each worker, and so what a newcomer counts for where there is room: about twice what its share carries."""
UPDATES_PER_S = 4.5
TWICE = 1.9


@dataclass(frozen=True, slots=True)
class Arrangement:
    name: str
    workers: int
    threads: int
    start: int
    """Where the search begins, in learners."""


ARRANGEMENTS = (
    Arrangement("one worker", 1, 1, 4),
    Arrangement("two workers", 2, 1, 8),
    Arrangement("one process with two threads", 1, 2, 8),
)


async def cores(run: Run) -> Report:
    found: dict[str, list[int]] = {arrangement.name: [] for arrangement in ARRANGEMENTS}
    windows: dict[str, dict[int, Window]] = {arrangement.name: {} for arrangement in ARRANGEMENTS}
    for _ in range(run.runs):
        for arrangement in ARRANGEMENTS:
            async with arranged(arrangement) as server:
                what, seen = f"cores: {arrangement.name}", windows[arrangement.name]
                learners = await carried(run, server, what, UPDATES_PER_S, arrangement.start, seen)
                found[arrangement.name].append(learners)
    rows: list[dict[str, Any]] = []
    for arrangement in ARRANGEMENTS:
        most = spread(found[arrangement.name])
        window = windows[arrangement.name].get(int(most.median))
        rows.append(
            {
                "": arrangement.name,
                "of a core": SHARE * arrangement.workers * arrangement.threads,
                "learners": str(most),
                "p95_ms": window and window.p95_ms,
            }
        )
    ratio = spread(found["two workers"]).median / spread(found["one worker"]).median
    return Report(
        "cores",
        f"Learners at {FRAMES_PER_S:.0f} frames a second, adaptive, that are carried: p95 at most {MOST_MS:.0f} ms, "
        f"and {UPDATES_PER_S} updates a second for each. Each worker may use {SHARE} of a core (a cgroup): so two fit "
        "beside the load on this machine. A share comes in slices of milliseconds, and whoever has used up theirs "
        "waits for the next one: so it carries less than the same share of a core that nobody takes away. One process "
        "with two threads has both shares as one, and waits less: compare the workers with each other, not with it. "
        "Two workers share one port and one Redis. Medians with least and most.",
        rows,
        [Goal(f"two workers carry {TWICE} × as many as one", f"{ratio:.2f}", ratio >= TWICE)],
    )


@asynccontextmanager
async def arranged(arrangement: Arrangement) -> AsyncIterator[MeasuredServer]:
    async with AsyncExitStack() as owned:
        redis = await owned.enter_async_context(private_redis())
        settings = {
            "RTC_TOKEN_SECRET": SECRET,
            "RTC_DATABASE_URL": "sqlite+aiosqlite:///bench.sqlite3",
            "RTC_PROCESSORS": str(arrangement.threads),
            "RTC_MAX_SESSIONS": str(PLACES * arrangement.threads),
            "RTC_OFFERS_PER_MINUTE": MANY,
            "RTC_OFFERS_PER_MINUTE_PER_USER": MANY,
            "RTC_LOG_LEVEL": "warning",
            "RTC_REDIS_URL": redis.url,
            "RTC_FLEET_SECRET": SECRET,
        }
        server = await owned.enter_async_context(_server(settings, arrangement.workers))
        parent = psutil.Process(server.pid)
        for worker in parent.children() if arrangement.workers > 1 else [parent]:
            owned.enter_context(share_of_a_core(worker.pid, SHARE * arrangement.threads))
        yield server


@asynccontextmanager
async def _server(settings: Mapping[str, str], workers: int) -> AsyncIterator[MeasuredServer]:
    command = [sys.executable, "-m", "rtc_server", "serve", "--port", "{port}", "--workers", str(workers)]
    async with running(command, "/whip", environment=settings, ready="/readyz") as server:
        yield server

"""`fleet_soak`: three workers of one host, learners who come and go, and others who do what they can against them."""

import asyncio
import json
import os
import pickle
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import psutil

from bench.database_faults import private_database
from bench.fault_stage import Stage, until, wait_for_server
from bench.processes import ROOT, SECRET
from bench.report import Goal, Report
from bench.run import Run
from bench.soak import STAYS_S, Process, come_and_go, flat, kept
from tests.redis_server import private_redis

WORKERS, PLACES = 3, 6
UDP_PORTS = range(41_000, 41_240)
METRICS_PORT = 41_300


@asynccontextmanager
async def _workers() -> AsyncIterator[tuple[Stage, list[Process]]]:
    settings = {
        "RTC_METRICS_PORT": str(METRICS_PORT),
        "RTC_UDP_PORTS": f"{UDP_PORTS[0]}-{UDP_PORTS[-1]}",
        "RTC_MAX_SESSIONS": "30",
        "RTC_OFFERS_PER_MINUTE": "300",
        "RTC_OFFERS_PER_MINUTE_PER_USER": "20",
    }
    with tempfile.TemporaryDirectory(prefix="rtc-soak-") as folder, private_database("mysql") as database:
        async with private_redis() as redis:
            settings["RTC_REDIS_URL"] = redis.url
            stage = Stage(database.url, Path(folder), "--workers", str(WORKERS), settings=settings)
            try:
                await stage.start()
                async with aiohttp.ClientSession() as http:
                    await wait_for_server(http, stage.url)
                await until(lambda: all(_worker(stage.pid, number) for number in range(WORKERS)))
                found = (_worker(stage.pid, number) for number in range(WORKERS))
                yield stage, [worker for worker in found if worker is not None]
                await stage.stop(signal.SIGTERM)
            finally:
                await stage.close()


def _worker(parent: int, number: int) -> Process | None:
    """None while it does not listen."""
    port = METRICS_PORT + number
    for child in psutil.Process(parent).children():
        if any(one.status == "LISTEN" and one.laddr.port == port for one in child.net_connections(kind="tcp")):
            return Process(f"worker {number + 1}", child.pid, f"http://127.0.0.1:{port}/metrics")
    return None


@asynccontextmanager
async def _rogues(run: Run, url: str, seconds: float) -> AsyncIterator[None]:
    with tempfile.NamedTemporaryFile() as clip:
        pickle.dump(run.clip, clip)
        clip.flush()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.hostile.load", "--url", url, "--clip", clip.name),
            *("--media", ",".join(f"127.0.0.1:{port}" for port in UDP_PORTS), "--seconds", str(seconds)),
            cwd=ROOT,
            env={**os.environ, "SECRET": SECRET},
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            assert process.stdout is not None
            await process.stdout.readline()
            yield
            output, _ = await process.communicate()
            run.say(f"fleet_soak: what the others did: {output.decode()}")
            if None in json.loads(output).values():
                raise RuntimeError("One of those who misbehave ended before the soak did.")
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def fleet_soak(run: Run) -> Report:
    seconds = 60.0 * run.memory_minutes
    async with _workers() as (stage, workers):
        async with _rogues(run, f"{stage.url}/whip", seconds):
            await come_and_go(run, stage, f"{stage.url}/whip", PLACES, workers, seconds)
        goals = await kept(stage)
    refused = sum(one.learner.newest.failure is not None for one in stage.watched)
    return Report(
        "fleet_soak",
        f"`serve --workers {WORKERS}` with MariaDB and Redis, for {run.memory_minutes:g} minutes. {PLACES} places for "
        f"learners who stay for {STAYS_S[0]:g} to {STAYS_S[1]:g} s, then the next one comes; {len(stage.watched)} in "
        "all. Beside them, from the same address and all the time, everything that `hostile` has. Medians; growth is "
        "that of the worker that grew most.",
        [row for worker in workers for row in worker.rows()],
        [*flat(workers), *goals, Goal("no learner ends with an error", f"{refused}", refused == 0)],
    )

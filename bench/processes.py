"""Servers under measurement: each a process of its own, on a core of its own."""

import asyncio
import fcntl
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import fmean

import aiohttp
import psutil

ROOT = Path(__file__).parents[1]
START_TIMEOUT_S = 60.0
SECRET = "only for measuring, on this machine, 32 bytes"
MANY = "100000"
MOST_MEMORY_BYTES = 8 * 2**30
"""A server that keeps whatever it does not get to would otherwise take the machine with it."""
_TASKSET = shutil.which("taskset") or "taskset"


@cache
def cores() -> tuple[int, list[int]]:
    """The server's core, and the load's, as they were at first: this process gives up its own share later.

    One core alone must do for both, and then says little.
    """
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[1:] or allowed


def take_the_load_s_cores() -> None:
    """This process, and what it starts from now on, leaves the server's core alone."""
    os.sched_setaffinity(0, cores()[1])


def all_cores() -> list[str]:
    """Runs a command on the server's core and the load's: for what is about dying and coming back, not about cost."""
    server_core, load_cores = cores()
    return [_TASKSET, "-c", ",".join(str(core) for core in sorted({server_core, *load_cores}))]


def stolen_s() -> float:
    """Seconds that others had of a core used here since the machine began, on average; 0 where nobody says."""
    server_core, load_cores = cores()
    times = psutil.cpu_times(percpu=True)
    return fmean(getattr(times[core], "steal", 0.0) for core in {server_core, *load_cores})


@contextmanager
def alone() -> Iterator[None]:
    """Waits until no other benchmark runs on this machine: two on the same cores would both measure nonsense."""
    with (Path(tempfile.gettempdir()) / "rtc-server-bench.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("bench: another benchmark is running here; waiting for its end", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process and its children have used since they began."""

    cpu_s: float
    rss_bytes: int
    at: float
    """Monotonic clock, seconds."""


class MeasuredServer:
    """A running server that answers at `url`."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self.url = url
        self.pid = process.pid
        self._started = process
        self._process = psutil.Process(process.pid)

    def usage(self) -> Usage:
        """Raises RuntimeError where it has ended: what is left of it uses nothing, which would pass for thrift."""
        if self._started.poll() is not None:
            raise RuntimeError("The server ended while it was measured.")
        processes = [self._process, *self._process.children(recursive=True)]
        times = [process.cpu_times() for process in processes]
        return Usage(
            cpu_s=sum(one.user + one.system for one in times),
            rss_bytes=sum(process.memory_info().rss for process in processes),
            at=time.monotonic(),
        )


@asynccontextmanager
async def running(
    command: Sequence[str],
    path: str,
    *,
    environment: Mapping[str, str] | None = None,
    ready: str = "/",
    tree: Path = ROOT,
) -> AsyncIterator[MeasuredServer]:
    """Starts `command` pinned to the server's core, with `{port}` in it filled in, and waits until it answers.

    Anything but a server error at `ready` is an answer.
    """
    port = free_port()
    filled = [part.format(port=port) for part in command]
    with tempfile.TemporaryDirectory(prefix="rtc-bench-") as folder, tempfile.TemporaryFile() as log:
        process = subprocess.Popen(  # noqa: ASYNC220
            [_TASKSET, "-c", str(cores()[0]), *filled],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", **(environment or {})},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            resource.prlimit(process.pid, resource.RLIMIT_DATA, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
            if not await _answers(f"http://127.0.0.1:{port}{ready}", process):
                log.seek(0)
                raise RuntimeError(f"{' '.join(filled)} did not start:\n{log.read().decode(errors='replace')[-4000:]}")
            yield MeasuredServer(process, f"http://127.0.0.1:{port}{path}")
        finally:
            process.terminate()
            try:
                await asyncio.to_thread(process.wait, 15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@asynccontextmanager
async def our_server(
    *, adaptive: bool, environment: Mapping[str, str] | None = None, tree: Path = ROOT
) -> AsyncIterator[MeasuredServer]:
    """rtc-server as it is deployed, database and all; only the limits on guests are lifted. tree: its source."""
    settings = {
        "RTC_TOKEN_SECRET": SECRET,
        "RTC_DATABASE_URL": "sqlite+aiosqlite:///bench.sqlite3",
        "RTC_MAX_SESSIONS": MANY,
        "RTC_MAX_SESSIONS_PER_ADDRESS": MANY,
        "RTC_OFFERS_PER_MINUTE": MANY,
        "RTC_OFFERS_PER_MINUTE_PER_USER": MANY,
        "RTC_LOG_LEVEL": "warning",
        "RTC_ADAPTIVE": str(adaptive).lower(),
        **(environment or {}),
    }
    command = [sys.executable, "-m", "rtc_server", "serve", "--port", "{port}"]
    async with running(command, "/whip", environment=settings, ready="/healthz", tree=tree) as server:
        yield server


async def _answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_TIMEOUT_S
    async with aiohttp.ClientSession() as http:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                async with http.get(url) as response:
                    if response.status < 500:
                        return True
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)
    return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""`serve --workers 3`, as an operator meets it: real processes on one port, killed, stopped and left alone."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable

import aiohttp
import psutil
import pytest

from tests.e2e.server_process import ServerProcess, running_server
from tests.redis_server import PrivateRedis

WORKERS = 3
WITHIN_S = 30.0
pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def settings(mariadb_url: str, redis_server: PrivateRedis) -> dict[str, str]:
    return {
        "RTC_TOKEN_SECRET": "a secret of the tests, long enough for HS256",
        "RTC_DATABASE_URL": mariadb_url,
        "RTC_REDIS_URL": redis_server.url,
        "RTC_UDP_PORTS": "46000-46299",
        "RTC_DRAIN_TIMEOUT": "8",
    }


@pytest.fixture
async def server(settings: dict[str, str]) -> AsyncIterator[ServerProcess]:
    async with running_server("--workers", str(WORKERS), **settings) as server:
        yield server


def workers_of(server: ServerProcess) -> list[psutil.Process]:
    return [child for child in psutil.Process(server.pid).children() if child.status() != psutil.STATUS_ZOMBIE]


async def until(true: Callable[[], bool], within_s: float = WITHIN_S) -> None:
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110 - processes tell nobody
            await asyncio.sleep(0.05)


async def asked(server: ServerProcess, times: int = 30) -> list[int]:
    """The statuses of so many requests, each with a connection of its own: the kernel spreads these."""
    statuses = []
    for _ in range(times):
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http,
            http.get(f"{server.url}readyz") as answer,
        ):
            statuses.append(answer.status)
    return statuses


async def test_all_workers_answer_at_one_port_and_share_no_media_port(server: ServerProcess) -> None:
    assert await asked(server) == 30 * [200]
    await until(lambda: server.workers == set(range(WORKERS)))
    slices = {worker.environ()["RTC_UDP_PORTS"] for worker in workers_of(server)}
    assert slices == {"46000-46099", "46100-46199", "46200-46299"}


async def test_a_killed_worker_comes_back_and_the_others_answer_meanwhile(server: ServerProcess) -> None:
    before = workers_of(server)
    before[0].kill()
    await until(lambda: before[0] not in workers_of(server))
    assert await asked(server) == 30 * [200]
    await until(lambda: len(workers_of(server)) == WORKERS)
    assert set(before[1:]) < set(workers_of(server))
    # Once the new one listens, it answers too.
    server.workers.clear()
    async with asyncio.timeout(WITHIN_S):
        while server.workers != set(range(WORKERS)):
            await asked(server, 3)


async def test_a_stop_ends_all_in_good_order(server: ServerProcess) -> None:
    workers = workers_of(server)
    assert await server.stop(signal.SIGTERM) == 0
    assert not any(worker.is_running() for worker in workers)


async def test_ctrl_c_ends_all_too(server: ServerProcess) -> None:
    workers = workers_of(server)
    assert await server.stop(signal.SIGINT) == 0
    assert not any(worker.is_running() for worker in workers)


async def test_workers_do_not_outlive_their_parent(server: ServerProcess) -> None:
    workers = workers_of(server)
    began = time.monotonic()
    psutil.Process(server.pid).kill()
    await until(lambda: not any(worker.is_running() for worker in workers))
    assert time.monotonic() - began < 10.0


async def test_what_keeps_the_first_start_from_working_ends_it_all(settings: dict[str, str]) -> None:
    with pytest.raises(RuntimeError, match="ended before it listened"):
        async with running_server("--workers", "2", **settings | {"RTC_TOKEN_SECRET": "short"}):
            pass

"""Three servers behind a real HAProxy are stopped and started one after the other, under learners: nothing is lost."""

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tests.camera import write_y4m
from tests.deployment.proxies import Proxy, haproxy
from tests.e2e.server_process import running_server
from tests.fleet.test_servers import FLEET_SECRET, SECRET
from tests.redis_server import PrivateRedis
from tests.store.conftest import query

SERVERS = LEARNERS = 3
GOES_ON_WITHIN_S = 30.0
"""A second or two where nothing else runs."""
TOTALS = "SELECT user_id, focused_s + unfocused_s, fence, end_reason FROM rtc_focus_sessions ORDER BY user_id"


@asynccontextmanager
async def learners(proxy: Proxy, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """As long as it is not told to end. Who is sent away connects again, through the proxy."""
    clip = write_y4m(folder / "face.y4m")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rtc_server", "publish", str(clip), "--loop", "--duration", "600", "--json"),
        *("--url", f"{proxy.url}whip", "--sessions", str(LEARNERS), "--user", "1", "--reconnect"),
        env={**os.environ, "RTC_TOKEN_SECRET": SECRET, "SSL_CERT_FILE": str(proxy.certificate)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def all_measure_on(engine: AsyncEngine, seconds: float) -> None:
    """Until each session has so much more than now."""
    before = {row[0]: row[1] for row in await query(engine, TOTALS)}
    async with asyncio.timeout(GOES_ON_WITHIN_S):
        while True:
            now = {row[0]: row[1] for row in await query(engine, TOTALS)}
            if len(now) == LEARNERS and all(now[user] >= before.get(user, 0.0) + seconds for user in now):
                return
            await asyncio.sleep(0.1)  # rows tell nobody


async def ask_for_ever(proxy: Proxy, statuses: Counter[int]) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=proxy.trusting)) as http:
        while True:
            async with http.get(f"{proxy.url}healthz") as answer:
                statuses[answer.status] += 1
            await asyncio.sleep(0.05)


@pytest.mark.timeout(240)
async def test_an_upgrade_of_one_server_after_the_other_loses_nothing(
    tmp_path: Path, mariadb_url: str, redis_server: PrivateRedis
) -> None:
    engine, statuses = create_async_engine(mariadb_url), Counter[int]()
    settings = {
        "RTC_TOKEN_SECRET": SECRET,
        "RTC_FLEET_SECRET": FLEET_SECRET,
        "RTC_DATABASE_URL": mariadb_url,
        "RTC_REDIS_URL": redis_server.url,
        "RTC_TRUSTED_PROXIES": "127.0.0.1",
        "RTC_MAX_SESSIONS": str(LEARNERS),
    }
    async with AsyncExitStack() as owned:
        owned.push_async_callback(engine.dispose)
        servers = [await owned.enter_async_context(running_server(**settings)) for _ in range(SERVERS)]
        proxy = await owned.enter_async_context(haproxy(tmp_path, [server.port for server in servers]))
        process = await owned.enter_async_context(learners(proxy, tmp_path))
        await all_measure_on(engine, 1.0)
        asking = asyncio.create_task(ask_for_ever(proxy, statuses))
        for server in servers:
            assert await server.stop(signal.SIGTERM) == 0
            await owned.enter_async_context(running_server(port=server.port, **settings))
            await all_measure_on(engine, 1.0)
        asking.cancel()
        process.send_signal(signal.SIGINT)
        output, _ = await process.communicate()
        rows = await query(engine, TOTALS)

    told = {one["user_id"]: one["metrics"]["total_time"] for one in json.loads(output)["learners"]}
    assert [row[0] for row in rows] == sorted(told), "one session for each learner: none is doubled"
    assert statuses.keys() == {200}
    assert sum(row[2] for row in rows) >= LEARNERS, "each learner was moved at least once"
    for user, measured_s, _, end_reason in rows:
        assert end_reason == "stopped"
        assert measured_s == pytest.approx(told[user], abs=0.01)

"""A real server that is killed or stopped under a real learner, and what the database says afterwards."""

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from rtc_server.learner import Learner
from rtc_server.web.access.auth import mint_token
from tests.camera import write_y4m
from tests.databases import PrivateMariaDb
from tests.e2e.server_process import running_server
from tests.store.conftest import Keep, query

SECRET = "a secret of the tests, long enough for HS256"
LEARNER = Learner(user_id=7, module_id=3)
LOST_AT_A_KILL_S = 1.0
CLOSED_WITHIN_S = 30.0
COLUMNS = "focused_s + unfocused_s, unknown_s, fence, ended_at, end_reason"


@asynccontextmanager
async def publishing(
    url: str, folder: Path, seconds: float, *options: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    clip = write_y4m(folder / "face.y4m")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rtc_server", "publish", str(clip), "--loop", "--duration", str(seconds), "--json"),
        *("--url", f"{url}whip", "--token", mint_token(SECRET, LEARNER, audience="rtc-server"), *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def summary(process: asyncio.subprocess.Process) -> dict[str, Any]:
    output, _ = await process.communicate()
    (learner,) = json.loads(output)["learners"]
    return dict(learner)


async def row_when(engine: AsyncEngine, such: str, within_s: float = 30.0) -> tuple[Any, ...]:
    """The only session's row, once this is true of it in SQL."""
    async with asyncio.timeout(within_s):
        statement = f"SELECT {COLUMNS} FROM rtc_focus_sessions WHERE {such}"
        while not (rows := await query(engine, statement)):  # noqa: ASYNC110 - rows tell nobody
            await asyncio.sleep(0.05)
    assert await query(engine, "SELECT count(*) FROM rtc_focus_sessions") == [(1,)]
    return rows[0]


@pytest.fixture
def settings(mariadb_url: str, tmp_path: Path) -> dict[str, str]:
    return {"RTC_TOKEN_SECRET": SECRET, "RTC_DATABASE_URL": mariadb_url, "RTC_SPOOL": str(tmp_path / "spool")}


@pytest.mark.timeout(120)
async def test_a_learner_goes_on_after_a_kill_and_loses_a_second_at_most(
    settings: dict[str, str], mariadb_url: str, keep: Keep, tmp_path: Path
) -> None:
    engine = keep(create_async_engine(mariadb_url))
    async with running_server(**settings) as first:
        port = first.port
        began = time.monotonic()
        async with publishing(first.url, tmp_path, 14.0, "--reconnect") as learner:
            before = await row_when(engine, "focused_s + unfocused_s > 3")
            await first.stop(signal.SIGKILL)
            async with running_server(port=port, **settings):
                after = await row_when(engine, "fence = 1 AND ended_at IS NULL")
                assert after[0] >= before[0]
                told = await summary(learner)
                final = await row_when(engine, "ended_at IS NOT NULL")
    passed_s = time.monotonic() - began
    measured_s, unknown_s, fence, _, end_reason = final
    assert (fence, end_reason) == (1, "stopped")
    assert told["metrics"]["total_time"] == pytest.approx(measured_s, abs=0.01), told
    assert measured_s + unknown_s <= passed_s
    assert unknown_s >= 1.0, "the gap is unknown time"


@pytest.mark.timeout(120)
async def test_what_nobody_comes_back_to_is_closed_once_the_lease_runs_out(
    settings: dict[str, str], mariadb_url: str, keep: Keep, tmp_path: Path
) -> None:
    engine = keep(create_async_engine(mariadb_url))
    async with running_server(**settings) as first:
        async with publishing(first.url, tmp_path, 60.0):
            await row_when(engine, "focused_s + unfocused_s > 1")
            await first.stop(signal.SIGKILL)
        killed_at = time.monotonic()
        async with running_server(**settings):
            row = await row_when(engine, "end_reason = 'crash'", CLOSED_WITHIN_S)
    assert time.monotonic() - killed_at <= CLOSED_WITHIN_S
    assert row[0] > 1


@pytest.mark.timeout(120)
async def test_a_server_that_is_stopped_without_its_database_ends_in_time_and_loses_nothing(
    settings: dict[str, str], mariadb_server: PrivateMariaDb, mariadb_url: str, keep: Keep, tmp_path: Path
) -> None:
    engine = keep(create_async_engine(mariadb_url, pool_pre_ping=True))
    async with (
        running_server(**settings, RTC_DRAIN_TIMEOUT="6") as server,
        publishing(server.url, tmp_path, 60.0) as learner,
    ):
        await row_when(engine, "focused_s + unfocused_s > 1")
        mariadb_server.stop()
        try:
            await asyncio.sleep(2.0)  # what was measured meanwhile is in the spool alone
            began = time.monotonic()
            assert await server.stop(signal.SIGTERM) == 0
            assert time.monotonic() - began <= 6
            told = await summary(learner)
        finally:
            mariadb_server.start()
    assert told["end_reason"] == "shutdown"
    async with running_server(**settings):
        row = await row_when(engine, "end_reason = 'shutdown'")
    assert row[0] == pytest.approx(told["metrics"]["total_time"], abs=0.01)


@pytest.mark.timeout(120)
async def test_a_second_signal_ends_it_at_once_and_loses_nothing(
    settings: dict[str, str], mariadb_server: PrivateMariaDb, mariadb_url: str, keep: Keep, tmp_path: Path
) -> None:
    engine = keep(create_async_engine(mariadb_url, pool_pre_ping=True))
    async with running_server(**settings) as server, aiohttp.ClientSession() as http:
        async with http.get(f"{server.url}readyz") as ready:
            assert (ready.status, await ready.json()) == (200, {"status": "ok"})
        async with publishing(server.url, tmp_path, 60.0) as learner:
            await row_when(engine, "focused_s + unfocused_s > 1")
            mariadb_server.stop()
            try:
                server.send(signal.SIGTERM)
                told = await summary(learner)
                began = time.monotonic()
                assert await server.stop(signal.SIGTERM) == 1
                assert time.monotonic() - began <= 2
            finally:
                mariadb_server.start()
    async with running_server(**settings):
        row = await row_when(engine, "end_reason = 'shutdown'")
    assert row[0] == pytest.approx(told["metrics"]["total_time"], abs=0.01)


@pytest.mark.timeout(120)
async def test_a_server_that_stood_still_finds_its_learner_elsewhere_and_changes_nothing(
    settings: dict[str, str], mariadb_url: str, keep: Keep, tmp_path: Path
) -> None:
    engine = keep(create_async_engine(mariadb_url))
    async with running_server(**settings) as first, running_server(**settings) as second:
        async with publishing(first.url, tmp_path, 60.0) as learner:
            await row_when(engine, "focused_s + unfocused_s > 1")
            (session,) = (await query(engine, "SELECT focus_session_id FROM rtc_focus_sessions"))[0]
            first.send(signal.SIGSTOP)
            try:
                async with publishing(second.url, tmp_path, 2.0, "--continues", session) as elsewhere:
                    await summary(elsewhere)
                before = await row_when(engine, "end_reason = 'stopped'")
            finally:
                first.send(signal.SIGCONT)
            told = await summary(learner)
        assert told["end_reason"] == "replaced"
        assert await row_when(engine, "fence = 1") == before

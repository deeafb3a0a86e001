"""A real server, killed with a learner in it while its database is away, and the one that starts after it."""

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from rtc_server.learner import Learner
from rtc_server.record import FocusRecord
from rtc_server.store.reader import FocusReader
from rtc_server.store.spool.spool import waiting
from rtc_server.web.access.auth import mint_token
from tests.camera import write_y4m
from tests.databases import PrivateMariaDb
from tests.e2e.server_process import running_server
from tests.store.conftest import Keep, query

SECRET = "a secret of the tests, long enough for HS256"
LEARNER = Learner(user_id=7, module_id=3)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110 - files tell nobody
            await asyncio.sleep(0.02)


def newest(spool: Path) -> FocusRecord | None:
    records = waiting(spool)
    return records[0] if records else None


async def rows(engine: AsyncEngine) -> list[tuple[object, ...]]:
    return await query(engine, "SELECT id, user_id, total_time_seconds FROM eye_tracking_sessions")


@pytest.mark.timeout(120)
async def test_a_server_killed_in_an_outage_leaves_the_right_row_to_the_next(
    mariadb_server: PrivateMariaDb, mariadb_url: str, keep: Keep, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    settings = {
        "RTC_TOKEN_SECRET": SECRET,
        "RTC_DATABASE_URL": mariadb_url,
        "RTC_SPOOL": str(spool),
        "RTC_SAVE_INTERVAL": "0.2",
    }
    engine = keep(create_async_engine(mariadb_url, pool_pre_ping=True))
    clip = write_y4m(tmp_path / "face.y4m")
    async with running_server(**settings) as server:
        publisher = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rtc_server", "publish", str(clip), "--loop", "--duration", "60"),
            *("--url", f"{server.url}whip", "--token", mint_token(SECRET, LEARNER, audience="rtc-server")),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(30):
                while not await rows(engine):  # noqa: ASYNC110 - the database is what tells
                    await asyncio.sleep(0.02)
            mariadb_server.stop()
            try:
                # It is written again and again: two seconds that no database has seen.
                await until(lambda: (one := newest(spool)) and one.totals.total_s + one.totals.unknown_s > 2)
                await server.stop(signal.SIGKILL)
            finally:
                mariadb_server.start()
        finally:
            if publisher.returncode is None:
                publisher.kill()
            await publisher.wait()
    left = newest(spool)
    assert left is not None
    assert left.learner == LEARNER

    async with running_server(**settings):
        await until(lambda: not waiting(spool))
        found = await FocusReader(engine).stored_session(left.focus_session_id)
    assert found is not None
    assert found.record == left
    ((_, user_id, total_time_s),) = await rows(engine)
    assert (user_id, total_time_s) == (7, round(left.totals.total_s))
    assert waiting(spool) == []

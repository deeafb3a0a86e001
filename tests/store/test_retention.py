import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from rtc_server.learner import Learner
from rtc_server.record import FocusRecord
from rtc_server.store import retention
from rtc_server.store.reader import FocusReader
from rtc_server.store.retention import Removed, erase, expire, keep_expiring
from rtc_server.store.writer import FocusWriter
from tests.store.conftest import query
from tests.store.platform import OLD_ROWS
from tests.store.records import STARTED_AT, hand_over, record, span

USER_7 = [
    replace(record(None, span(0, 1), at_s=0, end_reason="stopped"), multiple_faces=((0.5, 1),)),
    record(None, span(0, 1), at_s=100, end_reason="stopped"),
]
USER_8 = [record(None, span(0, 1), learner=Learner(8, 3), at_s=50, end_reason="stopped")]


@pytest.fixture
async def filled(engine: AsyncEngine, writer: FocusWriter) -> AsyncEngine:
    """Three rows from before our time (two of user 7), then three of ours."""
    await query(engine, OLD_ROWS)
    for one in USER_7 + USER_8:
        hand_over(writer, one)
    await writer.close()
    return engine


async def kept(engine: AsyncEngine) -> list[FocusRecord]:
    found = [await FocusReader(engine).stored_session(one.focus_session_id) for one in USER_7 + USER_8]
    return [one.record for one in found if one is not None]


async def platform_users(engine: AsyncEngine) -> list[int]:
    return [user for (user,) in await query(engine, "SELECT user_id FROM eye_tracking_sessions ORDER BY id")]


async def test_erase_removes_what_is_ours_of_one_user(filled: AsyncEngine, spool_folder: Path) -> None:
    assert await erase(filled, spool_folder, 7, with_platform_rows=False) == Removed(focus_sessions=2, spans=3)
    assert await kept(filled) == USER_8
    assert await platform_users(filled) == [7, 8, 7, 7, 7, 8]
    assert await query(filled, "SELECT count(*) FROM rtc_focus_spans") == [(1,)]
    assert await query(filled, "SELECT count(*) FROM rtc_multiple_faces_spans") == [(0,)]


async def test_erase_removes_the_platforms_rows_where_asked(filled: AsyncEngine, spool_folder: Path) -> None:
    assert await erase(filled, spool_folder, 7, with_platform_rows=True) == Removed(
        focus_sessions=2, spans=3, platform_rows=4
    )
    assert await platform_users(filled) == [8, 8]
    assert await erase(filled, spool_folder, 7, with_platform_rows=True) == Removed()


async def test_expire_removes_what_is_older(filled: AsyncEngine) -> None:
    removed = await expire(filled, STARTED_AT + timedelta(seconds=50), with_platform_rows=False)
    assert removed == Removed(focus_sessions=1, spans=2)
    assert await kept(filled) == [USER_7[1], *USER_8]
    assert await platform_users(filled) == [7, 8, 7, 7, 7, 8]


async def test_expire_takes_only_those_platform_rows_that_are_from_here(
    filled: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_SESSIONS_IN_ONE_TRANSACTION", 2)
    await query(filled, "UPDATE eye_tracking_sessions SET user_id = 99 WHERE id = 4")  # an id that went to another
    removed = await expire(filled, STARTED_AT + timedelta(days=1), with_platform_rows=True)
    assert removed == Removed(focus_sessions=3, spans=4, platform_rows=2)
    assert await kept(filled) == []
    assert await platform_users(filled) == [7, 8, 7, 99]


async def test_what_is_too_old_goes_by_itself(filled: AsyncEngine, spool_folder: Path) -> None:
    days = (datetime.now(UTC) - STARTED_AT) / timedelta(days=1)
    stopping = asyncio.Event()
    keeping = asyncio.create_task(
        keep_expiring(filled, spool_folder, days - 50 / 86400, stopping, with_platform_rows=False, every_s=0.01),
        name="retention",
    )
    try:
        async with asyncio.timeout(10):
            while len(await kept(filled)) > 1:  # noqa: ASYNC110 - the database is what tells
                await asyncio.sleep(0.01)
    finally:
        stopping.set()
        await keeping
    assert await kept(filled) == [USER_7[1]]

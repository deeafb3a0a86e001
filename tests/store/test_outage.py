"""The database goes away and comes back: nothing stops, nothing is lost but what was overtaken."""

import asyncio
import logging
import sqlite3
from collections.abc import Iterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from rtc_server.errors import StoreUnavailable
from rtc_server.store.engine import open_store
from rtc_server.store.reader import FocusReader
from rtc_server.store.writer import retry_delay_s
from tests.databases import PrivateMariaDb, PrivateServer
from tests.store.conftest import Keep, StartWriter, query
from tests.store.records import hand_over, record, span


@pytest.fixture(params=["mariadb", "postgresql"])
def server(request: pytest.FixtureRequest) -> Iterator[PrivateServer]:
    server: PrivateServer = request.getfixturevalue(f"{request.param}_server")
    yield server
    if not server.answers():
        server.start()


class Heard(logging.Handler):
    """Says when the writer says that the database is back."""

    def __init__(self) -> None:
        super().__init__()
        self.back = asyncio.Event()

    def emit(self, entry: logging.LogRecord) -> None:
        if entry.getMessage() == "the database answers again":
            self.back.set()


@pytest.fixture
def heard() -> Iterator[Heard]:
    handler, logger = Heard(), logging.getLogger("rtc_server.store.writer")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


async def test_the_newest_totals_arrive_when_the_database_is_back(
    server: PrivateServer, keep: Keep, start_writer: StartWriter, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    engine = keep(await open_store(server.new_database()))
    writer = await start_writer(engine)
    live, ended, begun = record(None, span(0, 1)), record(None, span(0, 1)), record(None, span(0, 1))
    for one in (live, ended):
        hand_over(writer, one)
        await writer.settle(one.focus_session_id)

    written, failed = writer.counts.write_s.count, writer.counts.writes_failed
    assert (written >= 1, failed, writer.waiting, writer.spooled) == (True, 0, 0, 0)

    server.stop()
    hand_over(writer, record(live.focus_session_id, span(0, 2)))
    with pytest.raises(StoreUnavailable, match="What was measured is kept"):
        await writer.settle(live.focus_session_id)
    newest = record(live.focus_session_id, span(0, 30), span(30, 31))
    last = record(ended.focus_session_id, span(0, 9), end_reason="stopped")
    for one in (newest, last, begun):
        hand_over(writer, one)
    assert (writer.database_is_away, writer.waiting, writer.spooled) == (True, 3, 3)
    assert writer.counts.writes_failed >= 1
    with pytest.raises(StoreUnavailable):
        await FocusReader(engine).stored_session(live.focus_session_id)

    server.start()
    await heard.back.wait()  # by itself
    for one in (newest, last, begun):
        found = await FocusReader(engine).stored_session(one.focus_session_id)
        assert found is not None
        assert found.record == one
    assert (writer.database_is_away, writer.waiting) == (False, 0)
    assert await query(engine, "SELECT count(*) FROM eye_tracking_sessions") == [(3,)]
    assert [one.getMessage() for one in caplog.records if one.name == "rtc_server.store.writer"] == [
        "the database does not answer; what is measured is kept and written later",
        "the database answers again",
    ]


async def test_settle_is_told_in_time_when_the_database_hangs(
    mariadb_server: PrivateMariaDb, mariadb_url: str, keep: Keep, start_writer: StartWriter
) -> None:
    engine = keep(await open_store(mariadb_url))
    writer = await start_writer(engine, write_timeout_s=1.0)
    one = record(None, span(0, 1))
    hand_over(writer, one)
    await writer.settle(one.focus_session_id)
    newer = record(one.focus_session_id, span(0, 2))
    with mariadb_server.frozen():
        hand_over(writer, newer)
        async with asyncio.timeout(20):
            with pytest.raises(StoreUnavailable):
                await writer.settle(one.focus_session_id)
    await writer.settle(one.focus_session_id)
    found = await FocusReader(engine).stored_session(one.focus_session_id)
    assert found is not None
    assert found.record == newer


async def test_a_locked_sqlite_file_is_waited_for(sqlite_url: str, keep: Keep, start_writer: StartWriter) -> None:
    engine = keep(await open_store(sqlite_url, connect_timeout_s=1.0))
    writer = await start_writer(engine)
    one = record(None, span(0, 1))
    other = sqlite3.connect(sqlite_url.partition(":///")[2], isolation_level=None)
    try:
        other.execute("BEGIN EXCLUSIVE")
        hand_over(writer, one)
        with pytest.raises(StoreUnavailable):
            await writer.settle(one.focus_session_id)
    finally:
        other.close()
    await writer.settle(one.focus_session_id)
    assert await FocusReader(engine).stored_session(one.focus_session_id) is not None


async def test_close_ends_within_its_deadline(
    server: PrivateServer, keep: Keep, start_writer: StartWriter, caplog: pytest.LogCaptureFixture
) -> None:
    engine = keep(await open_store(server.new_database()))
    writer = await start_writer(engine)
    server.stop()
    hand_over(writer, record(None, span(0, 1)))
    async with asyncio.timeout(20):
        await writer.close(deadline_s=0.3)
    said = [one for one in caplog.records if one.getMessage() == "shut down with sessions that are not stored"]
    assert [vars(one)["sessions"] for one in said] == [1]


async def test_only_so_many_ended_sessions_wait(
    sqlite_url: str, keep: Keep, start_writer: StartWriter, caplog: pytest.LogCaptureFixture
) -> None:
    engine: AsyncEngine = keep(await open_store(sqlite_url))
    writer = await start_writer(engine, ended_kept=3)
    live = record(None, span(0, 1))
    ended = [record(None, span(0, 1), end_reason="stopped") for _ in range(5)]
    for one in (live, *ended):  # faster than any database
        hand_over(writer, one)
    assert writer.counts.sessions_lost == 2
    await writer.close()
    stored = {key for (key,) in await query(engine, "SELECT focus_session_id FROM rtc_focus_sessions")}
    assert stored == {one.focus_session_id for one in (live, *ended[2:])}
    lost = [vars(one)["focus_session_id"] for one in caplog.records if "lost" in one.getMessage()]
    assert lost == [one.focus_session_id for one in ended[:2]]


def test_attempts_come_ever_more_slowly_up_to_a_limit_however_long_it_takes() -> None:
    assert [retry_delay_s(failures) for failures in (1, 2, 3, 6, 1_000_000)] == [0.5, 1.0, 2.0, 15.0, 15.0]

"""A database that is away, a server that dies meanwhile, and the next one: nothing is lost, nothing goes back."""

import asyncio
import logging
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine

from rtc_server.errors import StoreUnavailable
from rtc_server.learner import Learner
from rtc_server.record import FocusRecord
from rtc_server.store.engine import open_store
from rtc_server.store.reader import FocusReader
from rtc_server.store.retention import Removed, erase, expire, expire_spooled, keep_expiring
from rtc_server.store.spool.connection import unreadable_files
from rtc_server.store.spool.spool import Spool, remove_waiting, waiting
from rtc_server.store.spool.spooler import Spooler
from tests.databases import PrivateMariaDb
from tests.store.conftest import Keep, StartWriter, query
from tests.store.full_disk import full_disk
from tests.store.records import STARTED_AT, hand_over, record, span

Outage = Callable[[], AbstractContextManager[None]]
WITHIN_S = 20.0


@pytest.fixture(autouse=True)
def hear_all(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="rtc_server.store")


@pytest.fixture(params=["sqlite", "mariadb", "postgresql"])
def outage(request: pytest.FixtureRequest) -> Outage:
    """Takes the database of `url` away for as long as it is open."""
    if request.param == "sqlite":
        path = request.getfixturevalue("sqlite_url").partition(":///")[2]

        @contextmanager
        def away() -> Iterator[None]:
            other = sqlite3.connect(path, isolation_level=None)
            try:
                other.execute("BEGIN EXCLUSIVE")
                yield
            finally:
                other.close()
    else:
        server = request.getfixturevalue(f"{request.param}_server")

        @contextmanager
        def away() -> Iterator[None]:
            server.stop()
            try:
                yield
            finally:
                server.start()

    return away


@pytest.fixture
def url(request: pytest.FixtureRequest, outage: Outage) -> str:
    return request.getfixturevalue(f"{request.node.callspec.params['outage']}_url")


@pytest.fixture
async def opened(url: str, keep: Keep) -> AsyncEngine:
    return keep(await open_store(url, connect_timeout_s=1.0))


async def until(true: Callable[[], object]) -> None:
    """Of files, which tell nobody when they change."""
    async with asyncio.timeout(WITHIN_S):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def spooled(folder: Path) -> dict[str, FocusRecord]:
    """What would be recovered now, if the server were killed."""
    return {one.focus_session_id: one for one in waiting(folder)}


async def stored(engine: AsyncEngine, one: FocusRecord) -> FocusRecord | None:
    found = await FocusReader(engine).stored_session(one.focus_session_id)
    return found.record if found is not None else None


def left_behind(folder: Path, *records: FocusRecord) -> None:
    spool = Spool(folder)
    for one in records:
        spool.write(one)
    spool.close()


async def test_what_is_measured_in_an_outage_survives_the_server(
    opened: AsyncEngine, outage: Outage, start_writer: StartWriter, spool_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    live, ended = record(None, span(0, 1)), record(None, span(0, 1))
    begun = record(None, span(0, 1), learner=Learner(8, 3))
    first = await start_writer(opened)
    for one in (live, ended):
        hand_over(first, one)
        await first.settle(one.focus_session_id)
    with outage():
        newest = record(live.focus_session_id, span(0, 30), span(30, 31), at_s=31)
        last = record(ended.focus_session_id, span(0, 9), at_s=9, end_reason="stopped")
        for one in (newest, last, begun):
            hand_over(first, one)
        with pytest.raises(StoreUnavailable):
            await first.settle(live.focus_session_id)
        await until(lambda: len(spooled(spool_folder)) == 3)
        later = record(live.focus_session_id, span(0, 30), span(30, 60), at_s=60)
        hand_over(first, later)
        await first.close(deadline_s=0.1)
    expected = {one.focus_session_id: one for one in (later, last, begun)}
    assert spooled(spool_folder) == expected
    said = [one for one in caplog.records if one.getMessage() == "shut down with sessions that are not stored"]
    assert [(vars(one)["sessions"], vars(one)["lost"]) for one in said] == [(3, 0)]

    second = await start_writer(opened)
    for key in expected:
        await second.settle(key)
    assert [await stored(opened, one) for one in expected.values()] == list(expected.values())
    assert await query(opened, "SELECT count(*), sum(total_time_seconds) FROM eye_tracking_sessions") == [(3, 70)]
    await second.close()
    assert spooled(spool_folder) == {}


async def test_what_comes_while_it_is_unclear_whether_the_database_is_there_is_kept_at_once(
    mariadb_server: PrivateMariaDb, mariadb_url: str, keep: Keep, start_writer: StartWriter, spool_folder: Path
) -> None:
    writer = await start_writer(keep(await open_store(mariadb_url)), write_timeout_s=3.0)
    first, second = record(None, span(0, 1)), record(None, span(0, 1), end_reason="stopped")
    hand_over(writer, first)
    await writer.settle(first.focus_session_id)
    with mariadb_server.frozen():
        hand_over(writer, record(first.focus_session_id, span(0, 2), end_reason="stopped"))
        await until(lambda: len(spooled(spool_folder)) == 1)
        async with asyncio.timeout(2):  # the next answer is expected for three seconds
            hand_over(writer, second)
            await until(lambda: len(spooled(spool_folder)) == 2)
    await until(lambda: not spooled(spool_folder))


async def test_files_go_when_the_database_is_back(
    opened: AsyncEngine, outage: Outage, start_writer: StartWriter, spool_folder: Path
) -> None:
    writer = await start_writer(opened)
    one = record(None, span(0, 1))
    with outage():
        hand_over(writer, one)
        await until(lambda: spooled(spool_folder))
    await until(lambda: not spooled(spool_folder))
    assert await stored(opened, one) == one


async def test_while_all_is_well_there_is_no_file(
    opened: AsyncEngine, start_writer: StartWriter, spool_folder: Path
) -> None:
    writer = await start_writer(opened)
    one = record(None, span(0, 1))
    for length_s in (1, 2):
        hand_over(writer, record(one.focus_session_id, span(0, length_s)))
        await writer.settle(one.focus_session_id)
    hand_over(writer, record(one.focus_session_id, span(0, 3), end_reason="stopped"))
    await writer.close()
    assert not spool_folder.parent.exists()


async def test_a_newer_row_is_not_overwritten(
    opened: AsyncEngine, start_writer: StartWriter, spool_folder: Path
) -> None:
    """The server was killed after it had stored the newer one, before it removed the file."""
    newer = record(None, span(0, 9), span(9, 12), at_s=1)  # by a clock that was put back
    older = record(newer.focus_session_id, span(0, 9), at_s=9)
    paused = record(None, span(0, 5), at_s=6, session_type="pause")
    seen = record(paused.focus_session_id, span(0, 5), at_s=5)
    lost = record(None, span(0, 4))
    first = await start_writer(opened)
    for one in (newer, paused):
        hand_over(first, one)
    await first.close()
    rows = await query(opened, "SELECT * FROM eye_tracking_sessions ORDER BY id")

    left_behind(spool_folder, older, seen, lost)
    second = await start_writer(opened)
    await until(lambda: not spooled(spool_folder))
    await second.settle(newer.focus_session_id)
    assert [await stored(opened, one) for one in (newer, paused, lost)] == [newer, paused, lost]
    assert (await query(opened, "SELECT * FROM eye_tracking_sessions ORDER BY id"))[:2] == rows


@pytest.mark.parametrize("outage", ["mariadb", "postgresql"], indirect=True)
async def test_a_commit_that_a_kill_left_on_its_way_is_waited_for(
    opened: AsyncEngine, start_writer: StartWriter, spool_folder: Path
) -> None:
    before = record(None, span(0, 1))
    first = await start_writer(opened)
    hand_over(first, before)
    await first.close()
    newer = record(before.focus_session_id, span(0, 1), at_s=60)
    left_behind(spool_folder, record(before.focus_session_id, span(0, 1), at_s=30))

    asked = asyncio.Event()

    def notice(_connection: object, _cursor: object, statement: str, *_: Any) -> None:
        if "FOR UPDATE" in statement:
            asked.set()

    async with opened.begin() as dying:
        statement = "UPDATE rtc_focus_sessions SET recorded_at = :at"
        at = newer.recorded_at if opened.dialect.name == "postgresql" else newer.recorded_at.replace(tzinfo=None)
        await dying.execute(text(statement), {"at": at})
        event.listen(opened.sync_engine, "before_cursor_execute", notice)
        await start_writer(opened)
        await asyncio.wait_for(asked.wait(), WITHIN_S)
    await until(lambda: not spooled(spool_folder))
    assert await stored(opened, before) == newer


async def test_a_session_that_goes_on_wins_over_what_was_left_of_it(
    sqlite_url: str, keep: Keep, start_writer: StartWriter, spool_folder: Path
) -> None:
    engine = keep(await open_store(sqlite_url))
    left = record(None, span(0, 9))
    left_behind(spool_folder, left)
    writer = await start_writer(engine)
    newer = record(left.focus_session_id, span(0, 20))
    hand_over(writer, newer)
    await writer.settle(left.focus_session_id)
    assert await stored(engine, left) == newer
    await writer.close()
    assert spooled(spool_folder) == {}


async def test_what_was_left_waits_on_where_the_database_goes_away_at_the_start(
    opened: AsyncEngine, outage: Outage, start_writer: StartWriter, spool_folder: Path
) -> None:
    left = record(None, span(0, 9), end_reason="stopped")
    left_behind(spool_folder, left)
    with outage():
        writer = await start_writer(opened)
        with pytest.raises(StoreUnavailable):
            await writer.settle(left.focus_session_id)
        assert spooled(spool_folder) == {left.focus_session_id: left}
    await until(lambda: not spooled(spool_folder))
    assert await stored(opened, left) == left


async def test_a_session_that_the_database_refuses_is_kept_too(
    mariadb_url: str, keep: Keep, start_writer: StartWriter, spool_folder: Path
) -> None:
    engine = keep(await open_store(mariadb_url))
    refused, taken = record(None, span(0, 1), learner=Learner(2**40, 3)), record(None, span(0, 1))
    writer = await start_writer(engine)
    for one in (refused, taken):
        hand_over(writer, one)
    await writer.settle(taken.focus_session_id)
    with pytest.raises(StoreUnavailable):
        await writer.settle(refused.focus_session_id)
    await writer.close()
    assert spooled(spool_folder) == {refused.focus_session_id: refused}


async def test_files_that_cannot_be_written_cost_nothing_but_themselves(
    opened: AsyncEngine,
    outage: Outage,
    start_writer: StartWriter,
    spool_folder: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    spool_folder.parent.mkdir()
    writer = await start_writer(opened, save_interval_s=0.01)
    spool_folder.touch()  # a file in its place: nobody can write there, not even root
    one = record(None, span(0, 1))
    with outage():
        for second in range(2, 6):
            hand_over(writer, record(one.focus_session_id, span(0, second)))
            with pytest.raises(StoreUnavailable):
                await writer.settle(one.focus_session_id)
    newest = record(one.focus_session_id, span(0, 60))
    hand_over(writer, newest)
    await until(lambda: any(one.getMessage() == "the database answers again" for one in caplog.records))
    assert await stored(opened, one) == newest
    said = [vars(one)["cause"] for one in caplog.records if "written to the spool either" in one.getMessage()]
    assert said == ["EEXIST"]


async def test_a_disk_that_fills_in_an_outage_costs_no_time_when_the_server_is_told_to_stop(
    mariadb_server: PrivateMariaDb, mariadb_url: str, keep: Keep, start_writer: StartWriter, spool_folder: Path
) -> None:
    """Totals of 22 s became 9 to 14 s."""
    writer = await start_writer(keep(await open_store(mariadb_url)), save_interval_s=0.05)
    ids = [record().focus_session_id for _ in range(10)]
    learners = [Learner(user_id, 3) for user_id in range(10)]

    def put(length_s: int, end_reason: str | None = None) -> None:
        spans = [span(second, second + 1) for second in range(length_s)]
        for key, learner in zip(ids, learners, strict=True):
            hand_over(writer, record(key, *spans, learner=learner, at_s=length_s, end_reason=end_reason))

    mariadb_server.stop()
    try:
        put(9)
        await until(lambda: len(spooled(spool_folder)) == len(ids))
        with full_disk(spool_folder):
            put(22, end_reason="shutdown")
            await writer.close(deadline_s=0.1)
            assert {one.totals.focused_s for one in spooled(spool_folder).values()} == {22}
    finally:
        mariadb_server.start()


async def test_it_is_told_at_once_that_the_spool_cannot_be_written_and_when_it_can_again(spool_folder: Path) -> None:
    spool_folder.parent.mkdir()
    spool_folder.touch()
    spooler = Spooler(Spool(spool_folder))
    await spooler.start()
    one = record(None, span(0, 1))
    assert not spooler.failing
    spooler.keep(one)
    await until(lambda: spooler.failing)
    closing = asyncio.create_task(spooler.close())  # it goes on trying for a while
    await asyncio.sleep(0.1)
    spool_folder.unlink()
    assert await closing == 0
    assert not spooler.failing
    assert spooled(spool_folder) == {one.focus_session_id: one}


async def test_room_that_comes_back_is_used(spool_folder: Path) -> None:
    spool_folder.parent.mkdir()
    spool_folder.touch()
    spooler = Spooler(Spool(spool_folder))
    await spooler.start()
    one, other = record(None, span(0, 1)), record(None, span(0, 1))
    spooler.keep(one)
    spooler.keep(other)
    await asyncio.sleep(0.05)
    spool_folder.unlink()
    spooler.keep(other)
    await until(lambda: len(spooled(spool_folder)) == 2)
    assert await spooler.close() == 0


async def test_only_so_many_ended_sessions_wait_in_files(
    opened: AsyncEngine, outage: Outage, start_writer: StartWriter, spool_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writer = await start_writer(opened, ended_kept=3)
    with outage():
        hand_over(writer, record(None, span(0, 1)))
        await until(lambda: spooled(spool_folder))
        ended = [record(None, span(0, 1), end_reason="stopped") for _ in range(5)]
        for one in ended:
            hand_over(writer, one)
        await writer.close(deadline_s=0.1)
        assert len(spooled(spool_folder)) == 4
        assert spooled(spool_folder).keys() >= {one.focus_session_id for one in ended[2:]}
    lost = [vars(one)["focus_session_id"] for one in caplog.records if "lost" in one.getMessage()]
    assert lost == [one.focus_session_id for one in ended[:2]]


async def test_more_than_one_transaction_holds_is_stored_all_the_same(
    opened: AsyncEngine, start_writer: StartWriter, spool_folder: Path
) -> None:
    left_behind(spool_folder, *(record(None, span(0, 1), end_reason="stopped") for _ in range(300)))
    await start_writer(opened)
    await until(lambda: not spooled(spool_folder))
    assert await query(opened, "SELECT count(*), sum(total_time_seconds) FROM eye_tracking_sessions") == [(300, 300)]


class SlowDisk(Spool):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.writing = threading.Event()
        self.goes_on = threading.Event()
        self.written: list[FocusRecord] = []

    def write(self, record: FocusRecord) -> None:
        self.writing.set()
        self.goes_on.wait(WITHIN_S)
        super().write(record)
        self.written.append(record)


async def test_a_slow_disk_holds_up_nobody_and_gets_only_what_is_newest(spool_folder: Path) -> None:
    disk = SlowDisk(spool_folder)
    spooler = Spooler(disk)
    await spooler.start()
    first, gone = record("a" * 36, span(0, 1)), record("b" * 36, span(0, 1))
    spooler.keep(first)
    await until(disk.writing.is_set)
    spooler.keep(gone)
    for second in range(2, 100):  # the loop has all the time it wants
        spooler.keep(record("a" * 36, span(0, second)))
    spooler.drop(gone)
    newest = record("a" * 36, span(0, 100))
    spooler.keep(newest)
    disk.goes_on.set()
    await spooler.close()
    assert disk.written == [first, newest]
    assert spooled(spool_folder) == {"a" * 36: newest}


@pytest.fixture
async def left(sqlite_url: str, keep: Keep, spool_folder: Path) -> AsyncIterator[AsyncEngine]:
    """Of user 7 a session from a server that is gone and one from one that lives; one of user 8; a damaged file."""
    spool_folder.mkdir(parents=True)
    (spool_folder / "spool.sqlite3").write_bytes(b"damaged" * 100)
    assert Spool(spool_folder).recover() == []
    left_behind(spool_folder, record("a" * 36, span(0, 1), at_s=0))
    live = Spool(spool_folder)
    live.recover()
    live.write(record("b" * 36, span(0, 1), at_s=100))
    live.write(record("c" * 36, span(0, 1), learner=Learner(8, 3), at_s=200))
    yield keep(await open_store(sqlite_url))
    live.close()


async def test_erase_removes_what_waits_of_one_user(left: AsyncEngine, spool_folder: Path) -> None:
    assert await erase(left, spool_folder, 7, with_platform_rows=False) == Removed(spooled=2)
    assert spooled(spool_folder).keys() == {"c" * 36}


async def test_erase_does_not_say_done_of_what_it_cannot_search(left: AsyncEngine, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable, match="RTC_SPOOL"):
        await erase(left, tmp_path / "file", 7, with_platform_rows=False)


async def test_a_server_that_runs_does_not_write_again_what_was_erased(
    opened: AsyncEngine, outage: Outage, start_writer: StartWriter, spool_folder: Path
) -> None:
    writer = await start_writer(opened)
    with outage():
        hand_over(writer, record(None, span(0, 1), end_reason="stopped"))
        await until(lambda: spooled(spool_folder))
        assert remove_waiting(spool_folder, user_id=7) == 1
        await writer.close(deadline_s=0.1)
    assert spooled(spool_folder) == {}


def test_what_waits_and_is_too_old_is_removed(left: AsyncEngine, spool_folder: Path) -> None:
    assert expire_spooled(spool_folder, STARTED_AT + timedelta(seconds=150)) == 2
    assert spooled(spool_folder).keys() == {"c" * 36}
    assert len(unreadable_files(spool_folder)) == 1, "it was set aside just now"
    (spool_folder / "unreadable/folder").mkdir()
    assert expire_spooled(spool_folder, datetime.now(UTC) + timedelta(seconds=1)) == 2
    assert [path.name for path in unreadable_files(spool_folder)] == ["folder"], "whoever put it there is asked first"


async def test_what_waits_and_is_too_old_goes_by_itself_whatever_the_database_does(
    left: AsyncEngine, sqlite_url: str, spool_folder: Path
) -> None:
    await query(left, "DROP TABLE rtc_focus_sessions")
    with pytest.raises(StoreUnavailable):
        await expire(left, STARTED_AT, with_platform_rows=False)
    days = (datetime.now(UTC) - STARTED_AT) / timedelta(days=1)
    stopping = asyncio.Event()
    keeping = asyncio.create_task(
        keep_expiring(left, spool_folder, days - 150 / 86400, stopping, with_platform_rows=False), name="retention"
    )
    try:
        await until(lambda: spooled(spool_folder).keys() == {"c" * 36})
    finally:
        stopping.set()
        await keeping

"""One row a day: what it says is what it held before us and the sum of our sessions, whatever happens on the way."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from rtc_server.focus.state import Reason
from rtc_server.learner import Learner
from rtc_server.record import FocusRecord
from rtc_server.store import retention
from rtc_server.store.engine import open_store
from rtc_server.store.reader import FocusReader
from rtc_server.store.retention import erase, expire
from rtc_server.store.writer import FocusWriter
from tests.databases import PrivateMariaDb
from tests.store.conftest import Keep, StartWriter, query
from tests.store.records import LEARNER, STARTED_AT, hand_over, record, span

ROW = "total_time_seconds, focused_time_seconds, unfocused_time_seconds"
TWO_SERVERS = 2
VISITS = (16, 26, 26, 26)
"""Seconds. The platform's dashboards leave out rows of less than 30."""


@pytest.fixture
async def writer(engine: AsyncEngine, start_writer: StartWriter) -> FocusWriter:
    return await start_writer(engine, rows="day")


async def put(writer: FocusWriter, *records: FocusRecord) -> None:
    for one in records:
        hand_over(writer, one)
    await asyncio.gather(*(writer.settle(one.focus_session_id) for one in records))


async def rows(engine: AsyncEngine) -> list[tuple[Any, ...]]:
    return await query(engine, f"SELECT user_id, section_id, {ROW} FROM eye_tracking_sessions ORDER BY id")


def created_at(engine: AsyncEngine) -> str:
    """When the sessions of `record` began, as a literal."""
    return f"'{STARTED_AT:%Y-%m-%d %H:%M:%S}{'+00' if engine.dialect.name == 'postgresql' else ''}'"


async def old_row(engine: AsyncEngine, seconds: int, section_id: int | None = 2) -> None:
    await query(
        engine,
        "INSERT INTO eye_tracking_sessions (user_id, module_id, section_id, total_time_seconds, focused_time_seconds,"
        f" session_type, created_at, session_data) VALUES (7, 3, {section_id or 'NULL'}, {seconds}, {seconds},"
        f" 'pause', {created_at(engine)}, '{{\"old\": true}}')",
    )


async def test_visits_of_a_day_are_one_row(engine: AsyncEngine, writer: FocusWriter) -> None:
    for length_s in VISITS:
        await put(writer, record(None, span(0, length_s), session_type="pause", end_reason="stopped"))
    assert await rows(engine) == [(7, 2, 94, 94, 0)]
    ((session_type, session_data),) = await query(
        engine, "SELECT session_type, session_data FROM eye_tracking_sessions"
    )
    assert session_type == "viewing"
    assert json.loads(session_data)["focused_time"] == 94.0
    assert json.loads(session_data)["focus_sessions"] == len(VISITS)


async def test_the_total_of_a_day_is_rounded_once(engine: AsyncEngine, writer: FocusWriter) -> None:
    for _ in range(3):
        await put(writer, record(None, span(0, 6.708), span(6.708, 10.333, Reason.NO_FACE)))
    assert await rows(engine) == [(7, 2, 31, 20, 11)]


async def test_a_row_that_was_there_keeps_what_it_held(
    database_url: str, engine: AsyncEngine, writer: FocusWriter, start_writer: StartWriter, keep: Keep
) -> None:
    await old_row(engine, 238)
    one, other = record(None, span(0, 10)), record(None, span(0, 5), span(5, 9, Reason.NO_FACE))
    await put(writer, one)
    again = record(one.focus_session_id, span(0, 20))
    for _ in range(2):  # a retry changes nothing
        await put(writer, again)
    another_server = await start_writer(keep(await open_store(database_url)), rows="day")
    await put(another_server, other)
    await put(another_server, again)
    assert await rows(engine) == [(7, 2, 238 + 29, 238 + 25, 4)]


async def test_what_is_written_again_changes_nothing(engine: AsyncEngine, writer: FocusWriter) -> None:
    records = [record(None, span(0, length_s), at_s=length_s) for length_s in VISITS]
    await put(writer, *records)
    content = f"SELECT id, {ROW}, session_data FROM eye_tracking_sessions"
    before = await query(engine, content)
    for one in reversed(records):
        await put(writer, one)
    assert await query(engine, content) == before


@pytest.mark.parametrize(("section_id", "expected"), [(None, "any"), (0, "any"), (2, "its own"), (5, "a new one")])
async def test_a_missing_section_matches_any_row(
    engine: AsyncEngine, writer: FocusWriter, section_id: int | None, expected: str
) -> None:
    await old_row(engine, 100, section_id=2)
    await put(writer, record(None, span(0, 10), learner=Learner(7, 3, section_id)))
    found = [(section, total) for _, section, total, _, _ in await rows(engine)]
    assert found == ([(2, 100), (5, 10)] if expected == "a new one" else [(2, 110)])


async def test_a_row_without_a_section_is_not_that_of_a_section(engine: AsyncEngine, writer: FocusWriter) -> None:
    await put(writer, record(None, span(0, 10), learner=Learner(7, 3)))
    await put(writer, record(None, span(0, 20)), record(None, span(0, 1), learner=Learner(7, 4, 2)))
    assert [row[1:3] for row in await rows(engine)] == [(None, 10), (2, 20), (2, 1)]


def begun(focus_session_id: str, at: datetime, length_s: float) -> FocusRecord:
    one = record(focus_session_id, span(0, length_s))
    return replace(one, started_at=at, recorded_at=at + timedelta(seconds=length_s))


async def test_a_day_is_one_of_the_databases_own_time_zone_and_a_session_stays_in_the_day_it_began(
    engine: AsyncEngine, writer: FocusWriter
) -> None:
    # The tests' servers are nine hours ahead, SQLite has no zone but UTC.
    midnight = datetime(2026, 3, 29, 0 if engine.dialect.name == "sqlite" else 15, tzinfo=UTC)
    over_midnight, after = str(uuid4()), str(uuid4())
    await put(writer, begun(over_midnight, midnight - timedelta(seconds=5), 3))
    await put(writer, begun(after, midnight, 7))
    await put(writer, begun(over_midnight, midnight - timedelta(seconds=5), 3600))
    assert [row[2] for row in await rows(engine)] == [3600, 7]
    if engine.dialect.name == "sqlite":
        return
    # The platform's own words for it, on a connection of its own, which we have told nothing.
    zone = {"mysql": "SET time_zone = '+09:00'", "postgresql": "SET TIME ZONE 'Asia/Tokyo'"}[engine.dialect.name]
    date = {"mysql": "DATE(created_at)", "postgresql": "CAST(created_at AS date)"}[engine.dialect.name]
    async with engine.connect() as connection:
        await connection.exec_driver_sql(zone)
        found = await connection.exec_driver_sql(
            f"SELECT {date}, total_time_seconds FROM eye_tracking_sessions ORDER BY id"
        )
        assert [(str(day), total) for day, total in found] == [("2026-03-29", 3600), ("2026-03-30", 7)]
        await connection.invalidate()


async def test_servers_that_write_the_same_days_at_once_take_turns(
    database_url: str, engine: AsyncEngine, start_writer: StartWriter, keep: Keep, caplog: pytest.LogCaptureFixture
) -> None:
    writers = [await start_writer(keep(await open_store(database_url)), rows="day") for _ in range(TWO_SERVERS)]
    users = range(40)
    ids = [[str(uuid4()) for _ in users] for _ in writers]
    failures = 0

    def failed(context: Any) -> None:
        nonlocal failures
        failures += 1

    for one in writers:
        event.listen(one._rows._engine.sync_engine, "handle_error", failed)
    for length_s in range(1, 6):
        lots = [
            [record(key, span(0, length_s), learner=Learner(user, 3)) for user, key in zip(users, own, strict=True)]
            for own in ids
        ]
        lots[1].reverse()  # the order of the second is that of the first, backwards
        await asyncio.gather(*(put(one, *lot) for one, lot in zip(writers, lots, strict=True)))
    assert [row[2] for row in await rows(engine)] == [10] * len(users)
    assert failures == 0
    assert caplog.records == []


async def test_a_server_that_dies_anywhere_leaves_a_right_row(
    mariadb_server: PrivateMariaDb, mariadb_url: str, keep: Keep, start_writer: StartWriter
) -> None:
    """It fails before each of its statements in turn, and the record is written again."""
    engine = keep(await open_store(mariadb_url))
    await old_row(engine, 238)
    other = await start_writer(engine, rows="day")
    await put(other, record(None, span(0, 7)))
    cut_before = 0
    countdown = 0

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        nonlocal countdown
        countdown -= 1
        if countdown == 0:
            raise ConnectionResetError

    breaking = keep(await open_store(mariadb_url))
    event.listen(breaking.sync_engine, "before_cursor_execute", count)
    written = 0
    while countdown <= 0:
        cut_before += 1
        countdown = cut_before
        writer = await start_writer(breaking, rows="day")
        hand_over(writer, record(None, span(0, 10), end_reason="stopped"))
        await writer.close()
        written += 1
    assert written > 8
    assert await rows(engine) == [(7, 2, 238 + 7 + 10 * written, 238 + 7 + 10 * written, 0)]


async def test_a_row_the_platform_deleted_is_made_anew_by_who_goes_on(engine: AsyncEngine, writer: FocusWriter) -> None:
    ended, live = record(None, span(0, 50), end_reason="stopped"), record(None, span(0, 10))
    await put(writer, ended, live)
    await query(engine, "DELETE FROM eye_tracking_sessions")
    await put(writer, record(live.focus_session_id, span(0, 12)))
    await put(writer, record(None, span(0, 30)))
    assert await rows(engine) == [(7, 2, 42, 42, 0)]


async def test_rows_of_a_session_each_and_of_a_day_can_follow_each_other(
    engine: AsyncEngine, start_writer: StartWriter
) -> None:
    session_rows, day_rows = await start_writer(engine), await start_writer(engine, rows="day")
    first, second, third = (record(None, span(0, length_s)) for length_s in (10, 20, 30))
    await put(session_rows, first)
    await query(engine, f"UPDATE eye_tracking_sessions SET created_at = {created_at(engine)}")
    await put(day_rows, second)  # adopts the first one's row, in which nothing is but ours
    await put(day_rows, record(first.focus_session_id, span(0, 11)))
    assert [row[2] for row in await rows(engine)] == [31]
    await put(session_rows, third)
    await put(session_rows, record(second.focus_session_id, span(0, 21)))
    assert [row[2] for row in await rows(engine)] == [32, 30]


async def test_what_retention_removes_stays_counted_while_the_day_goes_on(
    engine: AsyncEngine, writer: FocusWriter
) -> None:
    await old_row(engine, 100)
    early = record(None, span(0, 10.4), at_s=0, end_reason="stopped")
    live = record(None, span(0, 20.4), at_s=100)
    await put(writer, early, live)
    await expire(engine, STARTED_AT + timedelta(seconds=50), with_platform_rows=True)
    assert await FocusReader(engine).stored_session(early.focus_session_id) is None
    await put(writer, record(live.focus_session_id, span(0, 30.4), at_s=110))
    assert [row[2] for row in await rows(engine)] == [100 + 41]


async def test_with_its_last_session_goes_a_row_of_ours_and_an_adopted_one_is_as_it_was(
    engine: AsyncEngine, writer: FocusWriter
) -> None:
    await old_row(engine, 100)
    await put(writer, record(None, span(0, 10)), record(None, span(0, 10)))
    await put(writer, record(None, span(0, 10), learner=Learner(8, 3)))
    await expire(engine, STARTED_AT + timedelta(seconds=50), with_platform_rows=True)
    assert await rows(engine) == [(7, 2, 100, 100, 0)]
    assert await query(engine, "SELECT session_data FROM eye_tracking_sessions") == [('{"old": true}',)]
    assert await query(engine, "SELECT count(*) FROM rtc_platform_days") == [(0,)]


async def test_large_removals_go_in_pieces_and_count_every_session(
    engine: AsyncEngine, writer: FocusWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_SESSIONS_IN_ONE_TRANSACTION", 2)
    await put(writer, *(record(None, span(0, 10), end_reason="stopped") for _ in range(5)))
    live = record(None, span(0, 1), at_s=100)
    await put(writer, live)
    await expire(engine, STARTED_AT + timedelta(seconds=50), with_platform_rows=False)
    await put(writer, record(live.focus_session_id, span(0, 2), at_s=100))
    assert [row[2] for row in await rows(engine)] == [52]


@pytest.mark.parametrize("with_platform_rows", [False, True])
async def test_erasing_leaves_the_right_time_of_who_is_still_there(
    engine: AsyncEngine, writer: FocusWriter, spool_folder: Path, with_platform_rows: bool
) -> None:
    ended, live = record(None, span(0, 50), end_reason="stopped"), record(None, span(0, 10))
    await put(writer, ended, live)
    removed = await erase(engine, spool_folder, LEARNER.user_id, with_platform_rows=with_platform_rows)
    assert removed.focus_sessions == 2
    assert [row[2] for row in await rows(engine)] == ([] if with_platform_rows else [60])
    await put(writer, record(live.focus_session_id, span(0, 15), end_reason="stopped"))
    assert [row[2] for row in await rows(engine)] == ([15] if with_platform_rows else [65])
    await erase(engine, spool_folder, LEARNER.user_id, with_platform_rows=with_platform_rows)
    assert await query(engine, "SELECT count(*) FROM rtc_platform_days") == [(0,)]


async def test_the_guides_query_counts_short_visits_together(
    mariadb_url: str, keep: Keep, start_writer: StartWriter
) -> None:
    guide = (Path(__file__).parents[2] / "docs/integration.md").read_text()
    (statement,) = [block.partition("```")[0] for block in guide.split("```sql\n")[1:]]
    platform = keep(create_async_engine(mariadb_url))  # in the server's own time zone, not in UTC
    engine = keep(await open_store(mariadb_url))
    for mode, expected in (("session", []), ("day", [(7, 3, 94, 94)])):
        writer = await start_writer(engine, rows=mode)
        for length_s in VISITS:
            await put(writer, begun(str(uuid4()), datetime.now(UTC), length_s))
        assert [tuple(map(int, row)) for row in await query(platform, statement)] == expected
        await query(engine, "DELETE FROM eye_tracking_sessions")

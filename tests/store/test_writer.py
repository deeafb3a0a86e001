import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from rtc_server.errors import StoreUnavailable
from rtc_server.focus.state import Reason
from rtc_server.learner import Learner
from rtc_server.store.engine import open_store
from rtc_server.store.reader import FocusReader
from rtc_server.store.stored_session import StoredSession
from rtc_server.store.writer import FocusWriter
from tests.store.conftest import Keep, StartWriter, query
from tests.store.platform import grown
from tests.store.records import STARTED_AT, hand_over, record, span


async def stored(engine: AsyncEngine, focus_session_id: str) -> StoredSession:
    found = await FocusReader(engine).stored_session(focus_session_id)
    assert found is not None
    return found


class Watched:
    """What an engine sends to its database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.commits = 0
        self.statements: list[tuple[str, Any]] = []
        event.listen(engine.sync_engine, "commit", self._commit)
        event.listen(engine.sync_engine, "checkin", self._checkin)
        event.listen(engine.sync_engine, "before_cursor_execute", self._statement)
        self.committed = asyncio.Event()

    def _commit(self, *_: object) -> None:
        self.commits += 1  # it is told of just before

    def _checkin(self, *_: object) -> None:
        if self.commits:
            self.committed.set()

    def _statement(self, _connection: object, _cursor: object, statement: str, values: Any, *_: object) -> None:
        if not statement.startswith(("BEGIN", "SELECT 1")):
            self.statements.append((statement, values))

    def clear(self) -> None:
        self.commits = 0
        self.statements.clear()
        self.committed.clear()


async def test_what_is_put_is_what_is_read(engine: AsyncEngine, writer: FocusWriter) -> None:
    one = record(None, span(0, 1.1), span(1.1, 1.1 + 1 / 3, Reason.NO_FACE), at_s=7.654321)
    consent_at = STARTED_AT - timedelta(seconds=9)
    one = replace(one, consent_at=consent_at, calibration_error_deg=1.7, calibration_quality="good")
    one = replace(one, multiple_faces=((0.1, 0.9), (1.2, 1.2 + 1 / 7)))
    hand_over(writer, one)
    await writer.settle(one.focus_session_id)
    found = await stored(engine, one.focus_session_id)
    assert found.record == one
    assert found.ended_at is None
    assert found.row is not None
    assert (found.row.user_id, found.row.module_id, found.row.section_id) == (7, 3, 2)
    assert (found.row.total_time_seconds, found.row.session_type) == (1, "viewing")


async def test_what_was_never_put_is_not_there(engine: AsyncEngine) -> None:
    assert await FocusReader(engine).stored_session("no such session") is None


async def test_times_in_the_row_are_utc_whatever_the_servers_zone(engine: AsyncEngine, writer: FocusWriter) -> None:
    one = record()
    hand_over(writer, one)
    await writer.settle(one.focus_session_id)
    row = (await stored(engine, one.focus_session_id)).row
    assert row is not None
    for moment in (row.created_at, row.last_updated):
        assert moment.utcoffset() == timedelta(0)
        assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)


async def test_the_row_appears_at_the_start_and_is_final_at_the_end(engine: AsyncEngine, writer: FocusWriter) -> None:
    watched = Watched(engine)
    one = record(None, span(0, 0.1))
    hand_over(writer, one)
    await watched.committed.wait()
    assert (await stored(engine, one.focus_session_id)).record == one

    watched.clear()
    hand_over(writer, record(one.focus_session_id, span(0, 3), at_s=3))  # waits for the next round, a minute away
    last = record(one.focus_session_id, span(0, 4), at_s=4, session_type="pause", end_reason="stopped")
    hand_over(writer, last)
    await watched.committed.wait()
    found = await stored(engine, one.focus_session_id)
    assert (found.record, found.ended_at) == (last, last.recorded_at)
    assert found.row is not None
    assert (found.row.session_type, found.row.total_time_seconds) == ("pause", 4)


async def test_between_start_and_end_all_go_together_once_an_interval(
    engine: AsyncEngine, start_writer: StartWriter
) -> None:
    writer = await start_writer(engine, save_interval_s=0.3)
    firsts = [record(None, span(0, 1), learner=Learner(user, 1)) for user in range(32)]
    for one in firsts:
        hand_over(writer, one)
    await asyncio.gather(*(writer.settle(one.focus_session_id) for one in firsts))
    watched = Watched(engine)
    for one in firsts:
        hand_over(writer, record(one.focus_session_id, span(0, 2), learner=one.learner))
    await watched.committed.wait()
    assert watched.commits == 1
    # Are the rows there; what is stored of the sessions; the sessions; what the rows sum up to; the rows; the spans.
    assert len(watched.statements) == 6
    totals = await query(engine, "SELECT DISTINCT total_time_seconds FROM eye_tracking_sessions")
    assert totals == [(2,)]


async def test_mysql_gets_few_statements_for_many_sessions(
    mariadb_url: str, keep: Keep, start_writer: StartWriter
) -> None:
    """Counted by the server: a driver may turn one statement for many rows into many statements."""
    engine = keep(await open_store(mariadb_url))
    writer = await start_writer(engine)
    ids = [record().focus_session_id for _ in range(32)]

    async def write(length_s: float) -> None:
        for user, focus_session_id in enumerate(ids):
            hand_over(writer, record(focus_session_id, span(0, length_s), learner=Learner(user, 1)))
        await asyncio.gather(*map(writer.settle, ids))

    async def statements() -> dict[str, int]:
        names = "'Com_insert', 'Com_update', 'Com_delete', 'Com_commit'"
        counted = await query(engine, f"SHOW GLOBAL STATUS WHERE Variable_name IN ({names})")
        return {name: int(value) for name, value in counted}

    await write(1)
    before = await statements()
    await write(2)
    after = await statements()
    assert {name: after[name] - before[name] for name in after} == {
        "Com_insert": 2,
        "Com_update": 1,
        "Com_delete": 0,
        "Com_commit": 2,  # one of them is the counting itself
    }


async def test_writing_again_changes_nothing(engine: AsyncEngine, writer: FocusWriter) -> None:
    one = replace(record(None, span(0, 2.5), span(2.5, 4, Reason.EYES_CLOSED)), multiple_faces=((1, 2),))
    tables = ("eye_tracking_sessions", "rtc_focus_sessions", "rtc_focus_spans", "rtc_multiple_faces_spans")
    hand_over(writer, one)
    await writer.settle(one.focus_session_id)
    before = [await query(engine, f"SELECT * FROM {table}") for table in tables[1:]]
    for _ in range(3):
        hand_over(writer, one)
        await writer.settle(one.focus_session_id)
    assert [await query(engine, f"SELECT * FROM {table}") for table in tables[1:]] == before
    assert await query(engine, "SELECT total_time_seconds, focused_time_seconds FROM eye_tracking_sessions") == [(4, 2)]


async def test_a_second_persons_last_span_grows(
    engine: AsyncEngine, writer: FocusWriter, start_writer: StartWriter
) -> None:
    after_a_restart = await start_writer(engine)
    for writes, spans in [
        (writer, ((0, 1),)),
        (writer, ((0, 1), (3, 4))),
        (after_a_restart, ((0, 1), (3, 5))),
        (after_a_restart, ()),
    ]:
        hand_over(writes, replace(record("a" * 36), multiple_faces=spans))
        await writes.settle("a" * 36)
        assert (await stored(engine, "a" * 36)).record.multiple_faces == spans


async def test_only_spans_that_changed_are_written(engine: AsyncEngine, writer: FocusWriter) -> None:
    watched = Watched(engine)

    async def written(*spans: Any) -> int:
        watched.clear()
        hand_over(writer, record("a" * 36, *spans))
        await writer.settle("a" * 36)
        assert (await stored(engine, "a" * 36)).record.spans == spans
        inserts = [values for statement, values in watched.statements if "INSERT INTO rtc_focus_spans" in statement]
        return sum(len(values) if isinstance(values, list) else 1 for values in inserts)

    settled = [span(second, second + 1) for second in range(50)]
    assert await written(*settled) == 50
    assert await written(*settled) == 0
    assert await written(*settled, span(50, 51)) == 1
    assert await written(*settled, span(50, 52)) == 1  # the last grows
    assert await written(*settled, span(50, 50.5), span(50.5, 53, Reason.NO_FACE)) == 2  # is cut
    assert await written(*settled) == 0  # is taken back
    assert await written(*settled[:10], span(10, 12)) == 1  # and even an earlier one may change


async def test_another_server_goes_on_with_the_same_row(
    database_url: str, engine: AsyncEngine, keep: Keep, start_writer: StartWriter
) -> None:
    one = record(None, span(0, 1), span(1, 2, Reason.NO_FACE))
    first = await start_writer(engine)
    hand_over(first, one)
    await first.close()
    row = (await stored(engine, one.focus_session_id)).row

    second = await start_writer(keep(await open_store(database_url)))
    longer = record(one.focus_session_id, span(0, 1), span(1, 3, Reason.NO_FACE), span(3, 9))
    hand_over(second, longer)
    await second.settle(one.focus_session_id)
    found = await stored(engine, one.focus_session_id)
    assert found.record == longer
    assert row is not None
    assert found.row is not None
    assert (found.row.id, found.row.created_at) == (row.id, row.created_at)


async def test_a_session_that_has_ended_is_not_opened_again_by_a_late_write(
    engine: AsyncEngine, writer: FocusWriter
) -> None:
    ended = record(None, span(0, 1), end_reason="silence")
    hand_over(writer, ended)
    await writer.settle(ended.focus_session_id)
    late = hand_over(writer, record(ended.focus_session_id, span(0, 5), at_s=5))
    await writer.settle(ended.focus_session_id)
    assert late.superseded
    assert (await stored(engine, ended.focus_session_id)).record == ended


async def test_a_row_the_platform_deleted_is_made_anew(engine: AsyncEngine, writer: FocusWriter) -> None:
    one, other = record(None, span(0, 1)), record(None, span(0, 1), learner=Learner(8, 3))
    for each in (one, other):
        hand_over(writer, each)
        await writer.settle(each.focus_session_id)
    deleted = (await stored(engine, one.focus_session_id)).row
    assert deleted is not None
    await query(engine, "DELETE FROM eye_tracking_sessions WHERE id = :id", id=deleted.id)
    assert (await stored(engine, one.focus_session_id)).row is None
    # … and its id has gone to somebody else meanwhile, whose row must not be touched.
    await query(
        engine,
        "INSERT INTO eye_tracking_sessions (id, user_id, module_id, total_time_seconds) VALUES (:id, 99, 3, 1234)",
        id=deleted.id,
    )

    for each in (one, other):
        hand_over(writer, record(each.focus_session_id, span(0, 20), learner=each.learner))
    await asyncio.gather(writer.settle(one.focus_session_id), writer.settle(other.focus_session_id))
    assert await query(engine, "SELECT user_id, total_time_seconds FROM eye_tracking_sessions ORDER BY user_id") == [
        (7, 20),
        (8, 20),
        (99, 1234),
    ]
    row = (await stored(engine, one.focus_session_id)).row
    assert row is not None
    assert row.id != deleted.id


async def test_puts_while_it_writes_are_not_lost(engine: AsyncEngine, writer: FocusWriter) -> None:
    one = record(None, span(0, 1))

    async def keep_putting() -> None:
        for second in range(2, 60):
            hand_over(writer, record(one.focus_session_id, span(0, second)))
            await asyncio.sleep(0)

    hand_over(writer, one)
    await asyncio.gather(keep_putting(), writer.settle(one.focus_session_id))
    await writer.settle(one.focus_session_id)
    assert (await stored(engine, one.focus_session_id)).record.totals.focused_s == 59


async def test_close_writes_what_is_left(engine: AsyncEngine, writer: FocusWriter) -> None:
    one = record(None, span(0, 1))
    hand_over(writer, one)
    await writer.settle(one.focus_session_id)
    last = record(one.focus_session_id, span(0, 30))
    hand_over(writer, last)
    await writer.close()
    assert (await stored(engine, one.focus_session_id)).record == last
    await writer.settle(one.focus_session_id)
    hand_over(writer, record(one.focus_session_id, span(0, 31)))
    with pytest.raises(StoreUnavailable, match="shutting down"):
        await writer.settle(one.focus_session_id)


async def test_one_session_the_database_refuses_does_not_hold_up_the_others(
    database_url: str, plain: AsyncEngine, keep: Keep, start_writer: StartWriter, caplog: pytest.LogCaptureFixture
) -> None:
    await query(plain, grown(plain.dialect.name))  # user_id must be under 1000
    engine = keep(await open_store(database_url))
    writer = await start_writer(engine)
    good, bad = record(None, span(0, 1)), record(None, span(0, 1), learner=Learner(5000, 1))
    for each in (good, bad):
        hand_over(writer, each)
    outcomes = await asyncio.gather(
        writer.settle(good.focus_session_id), writer.settle(bad.focus_session_id), return_exceptions=True
    )
    assert outcomes[0] is None
    assert isinstance(outcomes[1], StoreUnavailable)
    assert "5000" not in str(outcomes[1]) + caplog.text
    assert (await stored(engine, good.focus_session_id)).record == good

    await query(engine, "DROP TABLE eye_tracking_sessions")
    await query(engine, grown(plain.dialect.name).replace("1000", "9000"))
    await writer.settle(bad.focus_session_id)  # it was kept, and is taken now
    assert (await stored(engine, bad.focus_session_id)).record == bad

"""What other systems are told: put down with the rows it tells of, taken by one server at a time, in order."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from rtc_server.event import SEND_WITHIN_S, Event, EventType, SinkName
from rtc_server.learner import Learner
from rtc_server.record import FocusRecord
from rtc_server.store.engine import open_store
from rtc_server.store.outbox.outbox import Outbox
from rtc_server.store.outbox.rows import OutboxTransactions
from rtc_server.store.ownership import claim, close_orphans, renew_lease
from rtc_server.store.retention import erase, expire
from rtc_server.store.sql import write_records
from tests.store.conftest import Keep, query
from tests.store.records import STARTED_AT, record, span

WEBHOOK = SinkName.WEBHOOK
CLAIM_S = 60.0
OUTBOX = Outbox({WEBHOOK: frozenset(EventType)}, update_interval_s=60.0)


async def write(engine: AsyncEngine, *records: FocusRecord, outbox: Outbox = OUTBOX, recovered: Any = ()) -> None:
    async with engine.begin() as connection:
        await write_records(connection, records, {}, rows="session", recovered=recovered, outbox=outbox)


def at(one: FocusRecord, at_s: float, **changes: Any) -> FocusRecord:
    """The same session later."""
    later = replace(record(None, span(0, at_s)), focus_session_id=one.focus_session_id, learner=one.learner)
    return replace(later, recorded_at=STARTED_AT + timedelta(seconds=at_s), server_id=one.server_id, **changes)


async def types(engine: AsyncEngine) -> list[str]:
    return [kind for (kind,) in await query(engine, "SELECT type FROM rtc_outbox ORDER BY id")]


async def payloads(engine: AsyncEngine) -> list[dict[str, Any]]:
    return [json.loads(text) for (text,) in await query(engine, "SELECT payload FROM rtc_outbox ORDER BY id")]


async def make_due(engine: AsyncEngine) -> None:
    long_ago = moment(engine, datetime(2026, 1, 1, tzinfo=UTC))
    await query(engine, "UPDATE rtc_outbox SET next_attempt_at = :then", then=long_ago)


def moment(engine: AsyncEngine, value: datetime) -> Any:
    """As the driver wants it in plain SQL."""
    if engine.dialect.name == "postgresql":
        return value
    return value.replace(tzinfo=None) if engine.dialect.name == "mysql" else f"{value:%Y-%m-%d %H:%M:%S.%f}"


def ids(events: Sequence[Event]) -> list[int]:
    return [event.row_id for event in events]


async def test_a_session_is_told_of_when_it_starts_at_each_interval_and_when_it_ends(engine: AsyncEngine) -> None:
    rows = OutboxTransactions(engine)
    one = record(None, span(0, 1), at_s=1)
    told = []
    for later in (one, at(one, 59.9), at(one, 60.1), at(one, 61), at(one, 130), at(one, 131, end_reason="stopped")):
        await write(engine, later)
        for event in await rows.take(WEBHOOK, 10, CLAIM_S):
            told.append((event.type, event.data["focused_s"], event.data["end_reason"]))
            await rows.done(event)
    assert told == [
        ("session.started", 1, None),
        ("session.updated", 60.1, None),
        ("session.updated", 130, None),
        ("session.ended", 131, "stopped"),
    ]


async def test_an_event_says_what_the_row_says_and_no_name(engine: AsyncEngine) -> None:
    await write(engine, replace(record(None, span(0, 2.5), at_s=2.5), display_name="Maria", end_reason="stopped"))
    started, ended = await payloads(engine)
    assert started == ended
    key = ended.pop("focus_session_id")
    assert await query(engine, "SELECT focus_session_id, user_id FROM rtc_outbox LIMIT 1") == [(key, 7)]
    assert ended == {
        "user_id": 7,
        "module_id": 3,
        "section_id": 2,
        "policy": "reading/1",
        "session_type": "viewing",
        "started_at": "2026-03-29T00:59:30.123456+00:00",
        "recorded_at": "2026-03-29T00:59:32.623456+00:00",
        "ended_at": "2026-03-29T00:59:32.623456+00:00",
        "end_reason": "stopped",
        "focused_s": 2.5,
        "unfocused_s": 0.0,
        "unknown_s": 0.0,
        "multiple_faces_s": 0.0,
    }


async def test_what_is_written_twice_is_told_once(engine: AsyncEngine) -> None:
    one = record(None, span(0, 1))
    ended = at(one, 90, end_reason="stopped")
    for later in (one, one, ended, ended):
        await write(engine, later)
    assert await types(engine) == ["session.started", "session.ended"]


async def test_what_is_not_stored_is_not_told(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await write_records(connection, [record(None, span(0, 1))], {}, rows="session", outbox=OUTBOX)
        await connection.rollback()
    assert await types(engine) == []


async def test_without_a_sink_nothing_is_written(engine: AsyncEngine, spool_folder: Path) -> None:
    await write(engine, record(None, span(0, 1), end_reason="stopped"), outbox=Outbox())
    await erase(engine, spool_folder, 7, with_platform_rows=False)
    assert await types(engine) == []


async def test_a_sink_that_is_away_gathers_one_update_of_each_session(engine: AsyncEngine) -> None:
    one, other = record(None, span(0, 1)), record(None, span(0, 1), learner=Learner(8, 3))
    for second in range(1, 400, 30):
        await write(engine, at(one, second), at(other, second))
    assert sorted(await types(engine)) == ["session.started"] * 2 + ["session.updated"] * 2


async def test_sessions_that_the_database_closes_are_told_of_once_and_again_if_they_go_on(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await renew_lease(connection, str(uuid4()), 60.0)
    now = datetime.now(UTC)
    orphan = replace(record(None, span(0, 1)), server_id=str(uuid4()), started_at=now, recorded_at=now)
    await write(engine, orphan)

    async def closed() -> int:
        async with engine.begin() as connection:
            return await close_orphans(connection, OUTBOX)

    assert sorted(await asyncio.gather(closed(), closed())) == [0, 1]
    async with engine.begin() as connection:
        taken = await claim(connection, orphan.focus_session_id, orphan.learner, str(uuid4()), 60.0, OUTBOX)
    assert taken is not None
    await write(engine, replace(taken, end_reason="stopped"))
    assert await types(engine) == ["session.started", "session.ended", "session.updated", "session.ended"]
    assert [data["end_reason"] for data in await payloads(engine)] == [None, "crash", None, "stopped"]


async def test_the_newest_wins_and_the_older_one_is_told_of(engine: AsyncEngine) -> None:
    older = replace(record(None, span(0, 1)), server_id=str(uuid4()))
    await write(engine, older)
    await write(engine, replace(record(None, span(0, 1)), server_id=str(uuid4())))
    told = await payloads(engine)
    assert [(one["end_reason"], one["focus_session_id"] == older.focus_session_id) for one in told] == [
        (None, True),
        ("replaced", True),
        (None, False),
    ]


async def test_time_that_is_added_to_a_closed_session_is_told(engine: AsyncEngine) -> None:
    one = record(None, span(0, 1), end_reason="crash")
    await write(engine, one)
    left = at(one, 5)
    await write(engine, left, recovered={one.focus_session_id})
    assert await types(engine) == ["session.started", "session.ended", "session.ended"]
    assert (await payloads(engine))[-1]["focused_s"] == 5


# -- taking


async def test_two_servers_never_take_the_same_event(database_url: str, engine: AsyncEngine, keep: Keep) -> None:
    await write(engine, *(record(None, span(0, 1), learner=Learner(user, 3)) for user in range(1, 41)))
    servers = [OutboxTransactions(engine), OutboxTransactions(keep(await open_store(database_url)))]
    taken: list[Event] = []
    while found := await asyncio.gather(*(server.take(WEBHOOK, 7, CLAIM_S) for server in servers)):
        if not any(found):
            break
        taken += [event for some in found for event in some]
    assert len(taken) == len(set(ids(taken))) == 40
    assert {event.attempt for event in taken} == {1}


async def test_events_of_a_session_come_one_after_the_other(engine: AsyncEngine) -> None:
    rows = OutboxTransactions(engine)
    one, other = record(None, span(0, 1)), record(None, span(0, 1), learner=Learner(8, 3))
    await write(engine, one, other)
    await write(engine, at(one, 2, end_reason="stopped"))
    first = await rows.take(WEBHOOK, 10, CLAIM_S)
    assert [event.type for event in first] == ["session.started", "session.started"]
    assert await rows.take(WEBHOOK, 10, CLAIM_S) == [], "the end waits for the start"
    (mine,) = (event for event in first if event.data["user_id"] == 7)
    await rows.failed(mine, "HTTP 500", 3600.0)
    assert await rows.take(WEBHOOK, 10, CLAIM_S) == [], "also while the start is tried again"
    await rows.dead(mine, "HTTP 500")
    (last,) = await rows.take(WEBHOOK, 10, CLAIM_S)
    assert (last.type, last.data["user_id"]) == ("session.ended", 7), "what is dead holds nothing up"


async def test_what_a_killed_server_took_is_taken_again_with_the_same_id(engine: AsyncEngine) -> None:
    rows = OutboxTransactions(engine)
    await write(engine, record(None, span(0, 1)))
    (first,) = await rows.take(WEBHOOK, 10, CLAIM_S)
    assert await rows.take(WEBHOOK, 10, CLAIM_S) == []
    await make_due(engine)
    (again,) = await rows.take(WEBHOOK, 10, CLAIM_S)
    assert (again.event_id, again.attempt) == (first.event_id, 2)
    assert (first.may_have_arrived, again.may_have_arrived) == (False, True)
    await rows.failed(first, "too late", 0.0)
    await rows.done(first)
    assert await types(engine) == ["session.started"], "who was taken for dead has no say any more"
    await rows.failed(again, "HTTP 500", 0.0)
    (third,) = await rows.take(WEBHOOK, 10, CLAIM_S)
    assert not third.may_have_arrived
    await rows.done(third)
    assert await types(engine) == []


async def test_ids_are_never_used_again(engine: AsyncEngine) -> None:
    rows = OutboxTransactions(engine)
    seen = set()
    for user in range(1, 4):
        await write(engine, record(None, span(0, 1), learner=Learner(user, 3)))
        (event,) = await rows.take(WEBHOOK, 10, CLAIM_S)
        await rows.done(event)
        seen.add((event.row_id, event.event_id))
    assert len({row for row, _ in seen}) == len({key for _, key in seen}) == 3


# -- looking, and what is dead


async def test_what_is_dead_is_listed_sent_again_or_dropped(engine: AsyncEngine) -> None:
    rows = OutboxTransactions(engine)
    assert await rows.survey() == []
    await write(engine, *(record(None, span(0, 1), learner=Learner(user, 3)) for user in (1, 2, 3)))
    one, two, _ = await rows.take(WEBHOOK, 10, CLAIM_S)
    await rows.dead(one, "HTTP 410: the receiver wants no more")
    await rows.dead(two, "x" * 999)
    (found,) = await rows.survey()
    assert (found.sink, found.waiting, found.dead, found.oldest) == ("webhook", 1, 2, STARTED_AT)
    assert found.last_error == "x" * 200
    assert await rows.retry_dead() == 2
    again = await rows.take(WEBHOOK, 10, CLAIM_S)
    assert [(event.event_id, event.attempt) for event in again] == [(one.event_id, 1), (two.event_id, 1)]
    await rows.dead(again[0], "HTTP 500")
    assert await rows.drop_dead() == 1
    assert len(await types(engine)) == 2
    assert (await rows.retry_dead(), await rows.drop_dead()) == (0, 0)


# -- erasure


async def test_erasure_removes_what_waits_of_that_learner_and_then_tells_of_it(
    engine: AsyncEngine, spool_folder: Path
) -> None:
    rows = OutboxTransactions(engine)
    await write(engine, record(None, span(0, 1)), record(None, span(0, 1), learner=Learner(8, 3)))
    first = await rows.take(WEBHOOK, 1, CLAIM_S)
    await rows.dead(first[0], "HTTP 500")
    await write(engine, record(None, span(0, 1), end_reason="stopped"))
    await erase(engine, spool_folder, 7, with_platform_rows=False, outbox=OUTBOX)
    assert await query(engine, "SELECT type, user_id FROM rtc_outbox ORDER BY id") == [
        ("session.started", 8),
        ("learner.erased", 7),
    ]
    assert (await payloads(engine))[-1] == {"user_id": 7}
    due = await rows.take(WEBHOOK, 10, CLAIM_S)
    assert [event.data["user_id"] for event in due] == [8], f"what is being sent now arrives within {SEND_WITHIN_S} s"
    await make_due(engine)
    assert "learner.erased" in [event.type for event in await rows.take(WEBHOOK, 10, CLAIM_S)]


async def test_what_is_too_old_goes_from_the_outbox_too(engine: AsyncEngine, spool_folder: Path) -> None:
    await erase(engine, spool_folder, 9, with_platform_rows=False, outbox=OUTBOX)
    await write(engine, record(None, span(0, 1), end_reason="stopped"))
    await expire(engine, STARTED_AT + timedelta(days=1), with_platform_rows=False)
    assert await types(engine) == ["learner.erased"]
    await expire(engine, datetime.now(UTC) + timedelta(days=1), with_platform_rows=False)
    assert await types(engine) == []

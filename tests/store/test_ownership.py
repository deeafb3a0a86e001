"""Which server has a session: what a dead one leaves, who takes it, and what comes too late."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from rtc_server.focus.neutral import Neutral
from rtc_server.focus.state import Span
from rtc_server.learner import Learner
from rtc_server.record import FocusRecord, Resumption
from rtc_server.store.ownership import claim, close_orphans, give_up_lease, release, renew_lease, seconds_ahead
from rtc_server.store.reader import FocusReader
from rtc_server.store.spool.spool import Spool
from rtc_server.store.writer import FocusWriter
from tests.store.conftest import StartWriter, query
from tests.store.records import LEARNER, hand_over, record, span

DEAD, LIVE, NEXT = "dead".ljust(36, "0"), "live".ljust(36, "0"), "next".ljust(36, "0")
WINDOW_S = 60.0


@pytest.fixture
async def writer(engine: AsyncEngine, start_writer: StartWriter) -> FocusWriter:
    return await start_writer(engine, rows="day")


@pytest.fixture(autouse=True)
async def servers(engine: AsyncEngine) -> None:
    """One whose lease has run out, and one that lives."""
    async with engine.begin() as connection:
        await renew_lease(connection, DEAD, -1.0)
        await renew_lease(connection, LIVE, 60.0)


def measured(*spans: Span, server: str | None = DEAD, age_s: float = 1.0, learner: Learner = LEARNER) -> FocusRecord:
    """A record that is as old as that."""
    now = datetime.now(UTC)
    neutral = Neutral()
    neutral.gaze_yaw.learn(2.0, 5.0)
    return replace(
        record(None, *(spans or (span(0, 10),)), learner=learner),
        started_at=now - timedelta(seconds=age_s + 10),
        recorded_at=now - timedelta(seconds=age_s),
        server_id=server,
        resumption=Resumption(neutral.state, now - timedelta(seconds=age_s + 10), 10.0),
    )


async def stored(engine: AsyncEngine, focus_session_id: str) -> FocusRecord:
    found = await FocusReader(engine).stored_session(focus_session_id)
    assert found is not None
    return found.record


async def written(writer: FocusWriter, one: FocusRecord) -> FocusRecord:
    hand_over(writer, one)
    await writer.settle(one.focus_session_id)
    return one


async def closed(engine: AsyncEngine) -> int:
    async with engine.begin() as connection:
        return await close_orphans(connection)


async def claimed(engine: AsyncEngine, one: FocusRecord, learner: Learner = LEARNER) -> FocusRecord | None:
    async with engine.begin() as connection:
        return await claim(connection, one.focus_session_id, learner, NEXT, WINDOW_S)


async def test_a_dead_servers_session_is_closed_at_its_last_known_second_and_once(
    engine: AsyncEngine, writer: FocusWriter
) -> None:
    orphan = await written(writer, measured())
    live = await written(writer, measured(server=LIVE, learner=Learner(8, 3)))
    assert sorted(await asyncio.gather(closed(engine), closed(engine))) == [0, 1]
    after = await FocusReader(engine).stored_session(orphan.focus_session_id)
    assert after is not None
    assert after.record == replace(orphan, end_reason="crash")
    assert after.ended_at == orphan.recorded_at
    assert await stored(engine, live.focus_session_id) == live
    assert await closed(engine) == 0
    (row,) = await query(engine, "SELECT total_time_seconds, session_data FROM eye_tracking_sessions WHERE user_id = 7")
    assert row[0] == 10
    assert '"end_reason": "crash"' in row[1]


async def test_what_a_version_without_leases_left_open_is_closed_once_it_is_old(
    engine: AsyncEngine, writer: FocusWriter
) -> None:
    old = await written(writer, measured(server=None, age_s=120.0))
    young = await written(writer, measured(server=None, age_s=2.0, learner=Learner(8, 3)))
    await closed(engine)
    assert (await stored(engine, old.focus_session_id)).end_reason == "crash"
    assert (await stored(engine, young.focus_session_id)).end_reason is None


@pytest.mark.parametrize("end_reason", [None, "crash", "shutdown"])
async def test_a_learner_who_comes_back_takes_the_session_along(
    engine: AsyncEngine, writer: FocusWriter, end_reason: str | None
) -> None:
    left = await written(writer, replace(measured(span(0, 4), span(4, 10)), end_reason=end_reason))
    taken = await claimed(engine, left)
    assert taken == replace(left, server_id=NEXT, fence=1, end_reason=None)
    assert await closed(engine) == 1, "the next server has no lease here"


async def test_what_the_earlier_server_writes_late_changes_nothing(engine: AsyncEngine, writer: FocusWriter) -> None:
    left = await written(writer, measured(server=LIVE))
    taken = await claimed(engine, left)
    assert taken is not None
    late = hand_over(writer, replace(left, spans=(span(0, 500),), totals=record(None, span(0, 500)).totals))
    await writer.settle(left.focus_session_id)
    assert late.superseded
    assert await stored(engine, left.focus_session_id) == taken
    await written(writer, replace(taken, spans=(span(0, 12),), totals=record(None, span(0, 12)).totals))
    assert (await stored(engine, left.focus_session_id)).totals.focused_s == 12
    assert await query(engine, "SELECT total_time_seconds FROM eye_tracking_sessions") == [(12,)]


async def test_what_a_server_writes_after_its_session_was_closed_changes_nothing(
    engine: AsyncEngine, writer: FocusWriter
) -> None:
    left = await written(writer, measured())
    await closed(engine)
    late = hand_over(writer, replace(left, spans=(span(0, 11),), totals=record(None, span(0, 11)).totals))
    await writer.settle(left.focus_session_id)
    assert late.superseded
    assert await stored(engine, left.focus_session_id) == replace(left, end_reason="crash")


@pytest.mark.parametrize(
    ("one", "learner"),
    [
        (measured(), Learner(8, 3, 2)),
        (measured(), Learner(7, 3)),
        (replace(measured(), end_reason="stopped"), LEARNER),
        (replace(measured(), end_reason="replaced"), LEARNER),
        (measured(age_s=WINDOW_S + 1), LEARNER),
    ],
    ids=["another learner", "another section", "stopped", "replaced", "too long ago"],
)
async def test_what_may_not_go_on_stays_as_it_is(
    engine: AsyncEngine, writer: FocusWriter, one: FocusRecord, learner: Learner
) -> None:
    await written(writer, one)
    assert await claimed(engine, one, learner) is None
    assert await stored(engine, one.focus_session_id) == one


async def test_what_a_newer_version_has_learned_is_learned_anew(engine: AsyncEngine, writer: FocusWriter) -> None:
    left = await written(writer, measured())
    newer = "UPDATE rtc_focus_sessions SET resumption = :text"
    await query(engine, newer, text='{"version": 2, "resumption": {"pupils": [1, 2]}}')
    assert await claimed(engine, left) == replace(left, server_id=NEXT, fence=1, resumption=None)


async def test_a_session_of_a_live_server_goes_on_however_long_it_was_paused(
    engine: AsyncEngine, writer: FocusWriter
) -> None:
    paused = await written(writer, measured(server=LIVE, age_s=600.0))
    assert await claimed(engine, paused) == replace(paused, server_id=NEXT, fence=1)


async def test_a_claim_of_doubtful_outcome_closes_nobody_elses_session(
    engine: AsyncEngine, writer: FocusWriter
) -> None:
    one = await written(writer, measured(server=LIVE))
    async with engine.begin() as connection:
        await release(connection, one.focus_session_id, Learner(8, 3, 2), LIVE)
    assert await stored(engine, one.focus_session_id) == one
    async with engine.begin() as connection:
        await release(connection, one.focus_session_id, LEARNER, LIVE)
    assert await stored(engine, one.focus_session_id) == replace(one, end_reason="crash")


async def test_the_newest_wins_on_other_servers_too(engine: AsyncEngine, writer: FocusWriter) -> None:
    older, other = measured(server=LIVE), measured(server=LIVE, learner=Learner(7, 3, 9))
    for one in (older, other, measured(server=NEXT)):
        await written(writer, one)
    assert await stored(engine, older.focus_session_id) == replace(older, end_reason="replaced")
    assert await stored(engine, other.focus_session_id) == other, "another section"


async def test_what_was_left_in_a_spool_is_added_to_what_was_closed(
    engine: AsyncEngine, writer: FocusWriter, start_writer: StartWriter, spool: Spool
) -> None:
    left = await written(writer, measured())
    spool.write(replace(left, spans=(span(0, 12),), totals=record(None, span(0, 12)).totals))
    await closed(engine)
    await (await start_writer(engine, rows="day")).settle(left.focus_session_id)
    after = await stored(engine, left.focus_session_id)
    assert (after.totals.focused_s, after.end_reason) == (12, "crash")


async def test_what_was_left_in_a_spool_is_not_added_to_what_went_on(
    engine: AsyncEngine, writer: FocusWriter, start_writer: StartWriter, spool: Spool
) -> None:
    left = await written(writer, measured())
    spool.write(replace(left, spans=(span(0, 12),), totals=record(None, span(0, 12)).totals))
    taken = await claimed(engine, left)
    await (await start_writer(engine, rows="day")).settle(left.focus_session_id)
    assert await stored(engine, left.focus_session_id) == taken


@pytest.fixture
def spool(spool_folder: object) -> Spool:
    return Spool(spool_folder)  # type: ignore[arg-type]


async def test_who_begins_anew_elsewhere_is_ahead_of_real_time_only_once(
    engine: AsyncEngine, writer: FocusWriter
) -> None:
    ahead = replace(measured(span(0, 12.5), server=LIVE, age_s=0.0), end_reason="stopped")
    await written(writer, ahead)
    async with engine.begin() as connection:
        assert await seconds_ahead(connection, LEARNER) == pytest.approx(2.5, abs=1.0)
        assert await seconds_ahead(connection, Learner(8, 3)) == 0.0


async def test_a_lease_is_given_up_in_good_order(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await give_up_lease(connection, LIVE)
    assert await query(engine, "SELECT server_id FROM rtc_servers") == [(DEAD,)]

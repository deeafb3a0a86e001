"""The simulation's database against the real one: the same histories, and the same rows in the end."""

import asyncio
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from rtc_server.focus.state import Totals
from rtc_server.learner import Learner
from rtc_server.record import FocusRecord
from rtc_server.store import ownership
from rtc_server.store.engine import open_store
from rtc_server.store.schema import focus_sessions, platform_rows
from rtc_server.store.sql import write_records
from tests.simulation.database import Database, moment
from tests.store.records import record, span

SERVERS = ["a".ljust(36), "b".ljust(36)]
SESSIONS = [str(number).rjust(36, "0") for number in range(3)]
LEARNERS = [Learner(1, 1), Learner(2, 1), Learner(1, 1)]
"""Of each session: the first and the third are of one learner."""
ENDS = [None, None, None, "stopped", "shutdown"]

steps = st.one_of(
    st.tuples(
        st.just("write"), st.integers(0, 2), st.integers(0, 1), st.integers(0, 2), st.sampled_from(ENDS), st.booleans()
    ),
    st.tuples(st.just("claim"), st.integers(0, 2), st.integers(0, 1)),
    st.tuples(st.just("renew"), st.integers(0, 1), st.sampled_from([-1.0, 100.0])),
    st.tuples(st.just("close orphans")),
    st.tuples(st.just("release"), st.integers(0, 2), st.integers(0, 1)),
)


def a_record(session: int, server: int, fence: int, end: str | None, at_s: int) -> FocusRecord:
    one = record(SESSIONS[session], span(0, at_s), learner=LEARNERS[session], end_reason=end)
    recorded_at = moment(at_s)
    return replace(one, started_at=moment(0), recorded_at=recorded_at, server_id=SERVERS[server], fence=fence)


@settings(max_examples=60, deadline=None)
@given(history=st.lists(steps, min_size=1, max_size=14))
def test_the_same_history_gives_the_same_rows(history: list[tuple[object, ...]], tmp_path_factory: object) -> None:
    folder: Path = tmp_path_factory.mktemp("sql")  # type: ignore[attr-defined]
    asyncio.run(_compare(history, folder))


async def _compare(history: list[tuple[object, ...]], folder: Path) -> None:
    fake = Database()
    engine = await open_store(f"sqlite+aiosqlite:///{folder}/rtc.sqlite3")
    try:
        for number, (what, *details) in enumerate(history, start=1):
            async with engine.begin() as connection:
                real_now = await ownership.database_now(connection)
                if what == "write":
                    session, server, fence, end, spooled = details
                    one = a_record(session, server, fence, end, number)  # type: ignore[arg-type]
                    recovered = {one.focus_session_id} if spooled else set()
                    written = await write_records(connection, [one], {}, rows="day", recovered=recovered)
                    assert (set(written.stored), written.superseded) == fake.write([one], recovered)
                elif what == "claim":
                    session, server = details
                    # Records are of no real time: the window is as wide as it takes.
                    key, learner, server_id = SESSIONS[session], LEARNERS[session], SERVERS[server]  # type: ignore[call-overload]
                    real = await ownership.claim(connection, key, learner, server_id, 1e9)
                    assert real == fake.claim(key, learner, server_id, number, 1e9)
                elif what == "renew":
                    server, lease_s = details
                    await ownership.renew_lease(connection, SERVERS[server], lease_s)  # type: ignore[call-overload,arg-type]
                    fake.renew(SERVERS[server], number, lease_s)  # type: ignore[call-overload,arg-type]
                elif what == "release":
                    session, server = details
                    key, learner, server_id = SESSIONS[session], LEARNERS[session], SERVERS[server]  # type: ignore[call-overload]
                    await ownership.release(connection, key, learner, server_id)
                    fake.release(key, learner, server_id)
                else:
                    assert await ownership.close_orphans(connection) == fake.close_orphans(number)
                assert real_now.tzinfo is not None
        async with engine.connect() as connection:
            columns = ("focus_session_id", "server_id", "fence", "end_reason", "focused_s")
            rows = await connection.execute(select(*(focus_sessions.c[name] for name in columns)))
            assert {tuple(row) for row in rows} == {
                (one.focus_session_id, one.server_id, one.fence, one.end_reason, one.totals.focused_s)
                for one in fake.sessions.values()
            }
            sums = {
                row.user_id: (row.total_time_seconds, row.focused_time_seconds, row.unfocused_time_seconds)
                for row in await connection.execute(select(platform_rows))
            }
            assert sums == {learner.user_id: (seconds, seconds, 0) for learner, seconds in _seconds(fake).items()}, (
                "and the platform's row is their sum"
            )
    finally:
        await engine.dispose()


def _seconds(fake: Database) -> dict[Learner, int]:
    """Of each learner with a session."""
    totals: dict[Learner, Totals] = {}
    for one in fake.sessions.values():
        before = totals.get(one.learner, Totals())
        totals[one.learner] = Totals(focused_s=before.focused_s + one.totals.focused_s)
    return {learner: round(total.focused_s) for learner, total in totals.items()}

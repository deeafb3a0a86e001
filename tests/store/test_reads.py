"""Lists and sums say what the database holds: our sessions, and rows that only the platform wrote."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from rtc_server.errors import StoreUnavailable
from rtc_server.learner import Learner
from rtc_server.record import FocusRecord
from rtc_server.store.platform import catalogue
from rtc_server.store.platform.catalogue import catch_up
from rtc_server.store.reads.reads import Reads
from rtc_server.store.reads.terms import Cursor, Scope, SessionSummary
from rtc_server.store.retention import erase
from rtc_server.store.writer import FocusWriter
from tests.store.conftest import StartWriter, query
from tests.store.records import hand_over, record, span

BEGAN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
"""17:00 in Tokyo, where the databases of the tests think they are."""
EVERYTHING = Scope(frozenset({1, 2, 3}))


@pytest.fixture
def reads(engine: AsyncEngine) -> Reads:
    return Reads(engine)


def session(
    user: int, module: int, section: int | None = None, hours: float = 0.0, seconds: float = 10.0
) -> FocusRecord:
    """Focused for so long, then away for 2 s; it began so many hours after BEGAN."""
    learner = Learner(user, module, section)
    one = record(None, span(0, seconds), learner=learner, end_reason="stopped")
    began = BEGAN + timedelta(hours=hours)
    totals = replace(one.totals, unfocused_s=2.0, unknown_s=0.5)
    return replace(one, started_at=began, recorded_at=began + timedelta(minutes=1), totals=totals)


async def store(writer: FocusWriter, records: Sequence[FocusRecord]) -> None:
    for one in records:
        hand_over(writer, one)
    for one in records:
        await writer.settle(one.focus_session_id)


async def old_row(engine: AsyncEngine, row_id: int, user: int, module: int, section: int | None, hours: float) -> None:
    """As the old platform wrote it: 30 s focused, 12 s not."""
    created = BEGAN + timedelta(hours=hours)
    moment = created.strftime("%Y-%m-%d %H:%M:%S") + ("+00" if engine.dialect.name == "postgresql" else "")
    await query(
        engine,
        "INSERT INTO eye_tracking_sessions (id, user_id, module_id, section_id, total_time_seconds, created_at, "
        "last_updated, focused_time_seconds, unfocused_time_seconds) "
        f"VALUES ({row_id}, {user}, {module}, {section or 'NULL'}, 42, '{moment}', '{moment}', 30, 12)",
    )


async def pages(reads: Reads, scope: Scope, limit: int) -> list[list[SessionSummary]]:
    found: list[list[SessionSummary]] = []
    after: Cursor | None = None
    while not found or after is not None:
        page, after = await reads.sessions(scope, limit, after)
        found.append(page)
    return found


def names(summaries: Sequence[SessionSummary]) -> list[object]:
    return [one.focus_session_id or one.platform_row_id for one in summaries]


async def test_pages_hold_each_session_once_newest_first_and_then_the_platforms_rows(
    reads: Reads, writer: FocusWriter, engine: AsyncEngine
) -> None:
    # Some began at the same moment: their ids decide.
    sessions = [session(user, 1 + user % 3, hours=user // 4) for user in range(1, 24)]
    await store(writer, [*sessions, session(9, 4)])
    for number in range(5):
        await old_row(engine, 9000 + number, number + 1, 1 + number % 3, None, -100)
    await old_row(engine, 9100, 1, 4, None, -100)
    ordered = sorted(sessions, key=lambda one: (one.started_at, one.focus_session_id), reverse=True)
    expected = [one.focus_session_id for one in ordered] + [9004, 9003, 9002, 9001, 9000]

    for limit in (1, 5, 23, 25, 28, 200):
        found = await pages(reads, EVERYTHING, limit)

        assert [name for page in found for name in names(page)] == expected
        assert all(len(page) == limit for page in found[:-1])
        assert found[-1], "the last page is not empty"


async def test_a_session_is_listed_with_all_that_is_known_of_it(reads: Reads, writer: FocusWriter) -> None:
    one = replace(
        session(7, 2, 5),
        display_name="Åsa 李",
        calibration_quality="good",
        calibration_error_deg=1.25,
    )
    await store(writer, [one])

    ((found,),) = await pages(reads, EVERYTHING, 10)

    assert found == SessionSummary(
        source="session",
        focus_session_id=one.focus_session_id,
        platform_row_id=found.platform_row_id,
        user_id=7,
        module_id=2,
        section_id=5,
        started_at=one.started_at,
        recorded_at=one.recorded_at,
        focused_s=10.0,
        unfocused_s=2.0,
        unknown_s=0.5,
        display_name="Åsa 李",
        policy="reading/1",
        ended_at=one.recorded_at,
        end_reason="stopped",
        multiple_faces_s=0.0,
        focused_stretches=1,
        unfocused_stretches=0,
        calibration_quality="good",
        calibration_error_deg=1.25,
    )


async def test_a_database_that_only_the_platform_filled_is_listed_and_summed(reads: Reads, engine: AsyncEngine) -> None:
    await old_row(engine, 11, 7, 2, 5, 0)
    await old_row(engine, 12, 8, 2, None, 1)

    ((newer, older),) = await pages(reads, EVERYTHING, 10)
    (of_module,) = await reads.sums(EVERYTHING, "module", 10, None, min_learners=0)

    assert (newer.source, newer.platform_row_id, newer.focus_session_id, newer.section_id) == (
        "platform",
        12,
        None,
        None,
    )
    assert (older.focused_s, older.unfocused_s, older.unknown_s, older.started_at) == (30.0, 12.0, None, BEGAN)
    assert (of_module.module_id, of_module.learners, of_module.sessions) == (2, 2, 2)
    assert (of_module.focused_s, of_module.unfocused_s) == (60.0, 24.0)


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (Scope(frozenset({1})), "abc"),
        (Scope(frozenset({1, 2}), user_id=7), "abd"),
        (Scope(frozenset({1}), section_id=5), "b"),
        (Scope(frozenset({1}), section_id=0), "ac"),
        (Scope(frozenset({1, 2}), live=True), "c"),
        (Scope(frozenset({1, 2}), live=False), "abd"),
        (Scope(frozenset({1, 2}), begins=BEGAN + timedelta(hours=1)), "bcd"),
        (Scope(frozenset({1, 2}), begins=BEGAN, ends=BEGAN + timedelta(hours=1)), "a"),
        (Scope(frozenset({3})), ""),
    ],
)
async def test_filters(reads: Reads, writer: FocusWriter, scope: Scope, expected: str) -> None:
    named = {
        "a": session(7, 1),
        "b": session(7, 1, 5, hours=1),
        "c": replace(session(8, 1, hours=2), end_reason=None),
        "d": session(7, 2, hours=3),
    }
    await store(writer, list(named.values()))

    found = {one.focus_session_id for page in await pages(reads, scope, 2) for one in page}

    assert found == {named[name].focus_session_id for name in expected}


async def test_sums_are_those_of_the_sessions(reads: Reads, writer: FocusWriter) -> None:
    sessions = [
        session(user, module, section, hours, seconds=user + hours)
        for user in (5, 6)
        for module, section in ((1, None), (1, 4), (2, 9))
        for hours in (0, 6, 7, 30)  # 15:00 UTC is midnight in Tokyo
    ]
    await store(writer, [*sessions, session(5, 4)])

    by_module = await reads.sums(EVERYTHING, "module", 10, None, min_learners=0)
    assert [(one.module_id, one.learners, one.sessions) for one in by_module] == [(1, 2, 16), (2, 2, 8)]
    assert sum(one.focused_s for one in by_module) == sum(one.totals.focused_s for one in sessions)
    assert sum(one.unknown_s for one in by_module) == 24 * 0.5
    by_section = await reads.sums(EVERYTHING, "section", 10, None, min_learners=0)
    assert [(one.module_id, one.section_id, one.sessions) for one in by_section] == [(1, 0, 8), (1, 4, 8), (2, 9, 8)]
    by_learner = await reads.sums(EVERYTHING, "learner", 10, None, min_learners=0)
    assert [(one.user_id, one.sessions, one.learners) for one in by_learner] == [(5, 12, 1), (6, 12, 1)]
    only_5 = await reads.sums(replace(EVERYTHING, user_id=5), "module", 10, None, min_learners=0)
    assert [(one.module_id, one.sessions) for one in only_5] == [(1, 8), (2, 4)]


async def test_days_are_those_of_the_platforms_rows(
    reads: Reads, engine: AsyncEngine, start_writer: StartWriter
) -> None:
    """In the database's own time zone, which is Tokyo's for MariaDB and PostgreSQL here; SQLite has none."""
    writer = await start_writer(engine, rows="day")
    sessions = [session(5, 1, hours=hours) for hours in (0, 6, 8, 30)]
    await store(writer, sessions)

    found = await reads.sums(EVERYTHING, "day", 10, None, min_learners=0)

    kept = await query(engine, "SELECT day FROM rtc_platform_days ORDER BY day DESC")
    assert [one.day for one in found] == [
        day if isinstance(day, date) else date.fromisoformat(str(day)) for (day,) in kept
    ]
    first = 3 if engine.dialect.name == "sqlite" else 2
    assert [one.sessions for one in found] == [4 - first, first]


async def test_sums_come_page_by_page(reads: Reads, writer: FocusWriter) -> None:
    await store(writer, [session(user, module, section) for user, module, section in
                         [(1, 1, None), (2, 1, 3), (3, 2, 1), (4, 3, None), (5, 3, 2)]])  # fmt: skip

    first = await reads.sums(EVERYTHING, "section", 3, None, min_learners=0)
    rest = await reads.sums(EVERYTHING, "section", 3, (first[-1].module_id, first[-1].section_id), min_learners=0)

    assert [(one.module_id, one.section_id) for one in first + rest] == [(1, 0), (1, 3), (2, 1), (3, 0), (3, 2)]
    modules = await reads.sums(EVERYTHING, "module", 3, (1,), min_learners=0)
    assert [one.module_id for one in modules] == [2, 3]
    assert [one.user_id for one in await reads.sums(EVERYTHING, "learner", 2, (2,), min_learners=0)] == [3, 4]
    days = await reads.sums(EVERYTHING, "day", 3, (BEGAN.date() + timedelta(days=1),), min_learners=0)
    assert len(days) == 1
    assert await reads.sums(EVERYTHING, "day", 3, (BEGAN.date(),), min_learners=0) == []


async def test_a_day_that_was_adopted_counts_once_with_what_it_held(
    reads: Reads, engine: AsyncEngine, start_writer: StartWriter
) -> None:
    await old_row(engine, 11, 7, 1, None, -1)
    writer = await start_writer(engine, rows="day")
    await store(writer, [session(7, 1), session(7, 1, hours=1)])

    ((newer, older),) = await pages(reads, EVERYTHING, 10)
    (found,) = await reads.sums(EVERYTHING, "learner", 10, None, min_learners=0)

    assert {newer.source, older.source} == {"session"}
    assert (found.sessions, found.focused_s, found.unfocused_s) == (2, 30 + 2 * 10, 12 + 2 * 2)
    ((row,),) = await query(engine, "SELECT focused_time_seconds FROM eye_tracking_sessions")
    assert found.focused_s == row


async def test_small_groups_are_left_out(reads: Reads, writer: FocusWriter) -> None:
    await store(writer, [session(user, 1) for user in (1, 2, 3)] + [session(1, 2) for _ in range(5)])

    found = await reads.sums(EVERYTHING, "module", 10, None, min_learners=3)

    assert [(one.module_id, one.learners) for one in found] == [(1, 3)]


async def test_a_learner_has_the_name_of_the_latest_session(reads: Reads, writer: FocusWriter) -> None:
    early, late = session(7, 1), session(7, 2, hours=1)
    other_module = session(7, 4, hours=2)
    await store(writer, [replace(early, display_name="Ana"), replace(late, display_name="Ana B."),
                         replace(other_module, display_name="secret"), session(8, 1)])  # fmt: skip

    found = await reads.sums(EVERYTHING, "learner", 10, None, min_learners=0)

    assert [(one.user_id, one.display_name) for one in found] == [(7, "Ana B."), (8, None)]


async def test_two_hundred_modules_are_one_question(reads: Reads, writer: FocusWriter) -> None:
    one = session(7, 150)
    await store(writer, [one])
    scope = Scope(frozenset(range(1, 201)))

    assert names((await reads.sessions(scope, 10, None))[0]) == [one.focus_session_id]
    assert len(await reads.sums(scope, "day", 10, None, min_learners=0)) == 1


async def test_a_database_that_is_away_is_said_so(reads: Reads, engine: AsyncEngine) -> None:
    await query(engine, "ALTER TABLE rtc_focus_sessions RENAME TO gone")

    with pytest.raises(StoreUnavailable):
        await reads.sessions(EVERYTHING, 10, None)


async def test_what_only_the_platform_wrote_is_found_before_and_after_it_was_noted(
    reads: Reads, engine: AsyncEngine, start_writer: StartWriter, tmp_path: Path
) -> None:
    writer = await start_writer(engine, rows="day")
    await store(writer, [session(7, 1), session(8, 2)])
    for row_id, hours in ((901, 0), (902, 1), (903, 2)):
        await old_row(engine, row_id, 20 + row_id, 1, None, hours)
    just_now = (datetime.now(UTC) - BEGAN).total_seconds() / 3600
    await old_row(engine, 904, 5, 1, None, just_now)

    async def listed() -> list[object]:
        page, _ = await reads.sessions(EVERYTHING, 50, None)
        return [one.platform_row_id for one in page if one.source == "platform"]

    assert await listed() == [904, 903, 902, 901]
    assert await catch_up(engine) == 5, "all but the row that was written just now"
    assert await query(engine, "SELECT platform_row_id FROM rtc_platform_only ORDER BY 1") == [(901,), (902,), (903,)]
    assert await catch_up(engine) == 0
    assert await listed() == [904, 903, 902, 901]

    await query(engine, "DELETE FROM eye_tracking_sessions WHERE id = 902")
    await store(writer, [session(20 + 903, 1, hours=2)])  # its day's row is adopted
    assert await listed() == [904, 901]

    await erase(engine, tmp_path / "spool", 7, with_platform_rows=False)
    left = await listed()
    assert left[:2] == [904, 901]
    assert len(left) == 3, "the row of the sessions that were erased is the platform's now"
    (of_module, *_) = await reads.sums(EVERYTHING, "module", 10, None, min_learners=0)
    assert (of_module.module_id, of_module.sessions) == (1, 4)


async def test_many_rows_are_looked_at_in_turns(
    engine: AsyncEngine, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "ROWS_AT_ONCE", 2)
    for row_id in range(1, 6):
        await old_row(engine, row_id, row_id, 1, None, row_id)

    looked_at = [await catch_up(engine) for _ in range(4)]

    assert looked_at == [2, 2, 1, 0]
    assert len((await reads.sessions(EVERYTHING, 50, None))[0]) == 5


async def test_what_is_not_there_is_an_empty_page(reads: Reads) -> None:
    assert await reads.sessions(EVERYTHING, 10, None) == ([], None)
    assert await reads.sums(EVERYTHING, "day", 10, None, min_learners=0) == []

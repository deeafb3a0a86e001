"""Chooses the row of the platform's table that includes a FocusSession's time.

`session`: each FocusSession has a row of its own. `day`: its time goes into the row of its user, module and section
that was created on the day when it began, as in the platform's own endpoint. If the session has no section, any row of
the user and module is used. The choice is kept in `rtc_focus_sessions.platform_row_id` until the platform deletes it.

A transaction that writes a day first locks the day's row in `rtc_platform_days`. Several days are locked in the order
of their keys. So two servers take turns and cannot wait for each other in a circle.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, Literal

from sqlalchemy import Row, Select, bindparam, func, insert, select, tuple_, update
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from rtc_server.record import FocusRecord
from rtc_server.store.platform.calendar_day import CalendarDay, calendar_day
from rtc_server.store.platform.platform_row import AdoptedSeconds, identity_columns, whole_seconds
from rtc_server.store.schema import MYSQL, focus_sessions, platform_days, platform_rows

PlatformRows = Literal["day", "session"]


@dataclass(frozen=True, slots=True, order=True)
class DayKey:
    """Key of a row in `rtc_platform_days`. Rows are locked in this order."""

    user_id: int
    module_id: int
    day: date
    section_id: int
    """Section of the platform's row; 0 if it has none."""


@dataclass(frozen=True, slots=True)
class RowPointer:
    """The platform's row that includes a FocusSession's time."""

    row_id: int
    day: DayKey | None
    """None for a row that belongs to a single session."""


async def choose_rows(
    connection: AsyncConnection,
    records: Sequence[FocusRecord],
    pointers: Mapping[str, RowPointer],
    mode: PlatformRows,
) -> dict[str, RowPointer]:
    """The row for each record. The rows exist afterwards, and their days are locked.

    pointers: the known rows, by FocusSession. If the platform deleted such a row, another one is chosen.
    """
    chosen = await _still_there(connection, records, pointers)
    homeless = [record for record in records if record.focus_session_id not in chosen]
    wanted = {record.focus_session_id: await _wanted_day(connection, record) for record in homeless if mode == "day"}
    locked = {pointer.day for pointer in chosen.values() if pointer.day} | {key for key, _ in wanted.values()}
    # New days need another statement. Two statements would lock out of order, so all days use that one.
    if wanted or await lock_days(connection, locked) < len(locked):
        await _create_and_lock_days(connection, locked)
    for record in homeless:
        if mode == "day":
            key, day = wanted[record.focus_session_id]
            chosen[record.focus_session_id] = RowPointer(await _row_of_day(connection, record, key, day), key)
        else:
            chosen[record.focus_session_id] = RowPointer(await _insert_row(connection, record, {}), None)
    return chosen


async def lock_days(connection: AsyncConnection, keys: Iterable[DayKey]) -> int:
    """Locks these days until the transaction ends. Returns how many of them exist."""
    wanted = [(key.user_id, key.module_id, key.day, key.section_id) for key in keys]
    return len((await connection.execute(_locking(), {"days": wanted})).all()) if wanted else 0


@cache
def _locking() -> Select[Any]:
    columns = list(platform_days.primary_key.columns)
    query = select(platform_days.c.user_id).where(tuple_(*columns).in_(bindparam("days", expanding=True)))
    return query.order_by(*columns).with_for_update()


async def _create_and_lock_days(connection: AsyncConnection, keys: Iterable[DayKey]) -> None:
    """Like `lock_days`, but creates missing days. Takes five times as long on the event loop."""
    rows = [
        {"user_id": key.user_id, "module_id": key.module_id, "day": key.day, "section_id": key.section_id}
        for key in sorted(keys)
    ]
    # Not "insert or ignore": on MySQL that takes a shared lock, and two writers would wait for each other. An update
    # that changes nothing takes an exclusive lock.
    if connection.dialect.name in MYSQL:
        in_mysql = mysql.insert(platform_days).values(rows)
        await connection.execute(in_mysql.on_duplicate_key_update(user_id=platform_days.c.user_id))
        return
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(platform_days).values(rows)
    key = list(platform_days.primary_key.columns)
    await connection.execute(
        statement.on_conflict_do_update(index_elements=key, set_={"user_id": platform_days.c.user_id})
    )


async def _still_there(
    connection: AsyncConnection, records: Sequence[FocusRecord], pointers: Mapping[str, RowPointer]
) -> dict[str, RowPointer]:
    """A row is ours only if user and module match too: the id of a deleted row may be used again."""
    expected = {
        record.focus_session_id: (pointers[record.focus_session_id].row_id, *_owner(record))
        for record in records
        if record.focus_session_id in pointers
    }
    if not expected:
        return {}
    row_ids = list({row_id for row_id, *_ in expected.values()})
    present = {tuple(row) for row in await connection.execute(_owners(), {"ids": row_ids})}
    return {key: pointers[key] for key, row in expected.items() if row in present}


@cache
def _owners() -> Select[Any]:
    rows = platform_rows.c
    return select(rows.id, rows.user_id, rows.module_id).where(rows.id.in_(bindparam("ids", expanding=True)))


async def _wanted_day(connection: AsyncConnection, record: FocusRecord) -> tuple[DayKey, CalendarDay]:
    day = await calendar_day(connection, record.started_at)
    found = await _find_row(connection, record, day)
    section_id = found.section_id if found is not None else record.learner.section_id
    return DayKey(*_owner(record), day.day, section_id or 0), day


async def _row_of_day(connection: AsyncConnection, record: FocusRecord, key: DayKey, day: CalendarDay) -> int:
    """The platform's row for a locked day: the known one, an adopted one, or a new one."""
    this_day = tuple_(*platform_days.primary_key.columns) == (key.user_id, key.module_id, key.day, key.section_id)
    row_id = await connection.scalar(select(platform_days.c.platform_row_id).where(this_day))
    there = select(platform_rows.c.id).where(
        platform_rows.c.id == row_id,
        platform_rows.c.user_id == key.user_id,
        platform_rows.c.module_id == key.module_id,
    )
    if row_id is not None and await connection.scalar(there) is not None:
        return int(row_id)
    found = await _find_row(connection, record, day)
    if found is not None:
        row_id, adopted = found.id, await _adopted(connection, record, found)
    else:
        created = {"created_at": record.started_at.replace(microsecond=0), "session_type": "viewing"}
        row_id, adopted = await _insert_row(connection, record, created), None
    held = adopted or AdoptedSeconds()
    await connection.execute(
        update(platform_days)
        .where(this_day)
        .values(
            platform_row_id=row_id,
            adopted=adopted is not None,
            adopted_total_seconds=held.total,
            adopted_focused_seconds=held.focused,
            adopted_unfocused_seconds=held.unfocused,
            adopted_session_data=found.session_data if adopted is not None and found is not None else None,
            removed_focused_s=0.0,
            removed_unfocused_s=0.0,
            removed_unknown_s=0.0,
        )
    )
    return int(row_id)


async def _find_row(connection: AsyncConnection, record: FocusRecord, day: CalendarDay) -> Any:
    """The first row that matches, as the platform looks it up; None if there is none."""
    rows = platform_rows.c
    query = select(
        rows.id,
        rows.section_id,
        rows.total_time_seconds,
        rows.focused_time_seconds,
        rows.unfocused_time_seconds,
        rows.session_data,
    ).where(
        rows.user_id == record.learner.user_id,
        rows.module_id == record.learner.module_id,
        rows.created_at >= day.begins,
        rows.created_at < day.ends,
    )
    if record.learner.section_id:
        query = query.where(rows.section_id == record.learner.section_id)
    return (await connection.execute(query.order_by(rows.id).limit(1))).one_or_none()


async def _adopted(connection: AsyncConnection, record: FocusRecord, row: Row[Any]) -> AdoptedSeconds | None:
    """What the row holds without the time of our own sessions, which may be from when each had its own row.

    None if we created the row.
    """
    ours = focus_sessions.c
    user_id, module_id = _owner(record)
    query = select(func.count(), func.sum(ours.focused_s), func.sum(ours.unfocused_s)).where(
        ours.platform_row_id == row.id, ours.user_id == user_id, ours.module_id == module_id
    )
    sessions, focused_s, unfocused_s = (await connection.execute(query)).one()
    total, focused, unfocused = whole_seconds(focused_s or 0.0, unfocused_s or 0.0)
    adopted = AdoptedSeconds(
        max((row.total_time_seconds or 0) - total, 0),
        max((row.focused_time_seconds or 0) - focused, 0),
        max((row.unfocused_time_seconds or 0) - unfocused, 0),
    )
    return adopted if adopted != AdoptedSeconds() or not sessions else None


async def _insert_row(connection: AsyncConnection, record: FocusRecord, columns: Mapping[str, object]) -> int:
    """Inserts rows one by one, because MySQL returns only the id of the last one. Their content is written later."""
    values = identity_columns(record.learner) | dict(columns)
    key = (await connection.execute(insert(platform_rows).values(values))).inserted_primary_key
    assert key is not None
    return int(key[0])


def _owner(record: FocusRecord) -> tuple[int, int]:
    return record.learner.user_id, record.learner.module_id

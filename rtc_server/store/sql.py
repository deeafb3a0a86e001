"""Writes a batch of records in one transaction.

Nothing is added to old values: whatever was there before, afterwards the rows hold what the record says.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from rtc_server.focus.state import Span
from rtc_server.record import FocusRecord
from rtc_server.store.outbox.outbox import NO_OUTBOX, Outbox
from rtc_server.store.own_row import lock_progress, write_own_rows
from rtc_server.store.ownership import end_elsewhere
from rtc_server.store.platform.row_choice import DayKey, PlatformRows, RowPointer, choose_rows
from rtc_server.store.platform.row_content import write_rows
from rtc_server.store.progress import Verdict, verdict, with_stored_end
from rtc_server.store.schema import focus_sessions, platform_days
from rtc_server.store.spans import stored_multiple_faces, stored_spans, write_multiple_faces, write_spans


@dataclass(frozen=True, slots=True)
class StoredState:
    """What the database holds of one FocusSession, as far as this process knows."""

    pointer: RowPointer
    spans: tuple[Span, ...]
    multiple_faces: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a batch of records, once it is committed."""

    stored: dict[str, StoredState]
    """What the database holds of the sessions that were written, by id."""
    superseded: set[str]
    """Sessions that another server has, or has closed. Nothing of them was written."""


async def write_records(
    connection: AsyncConnection,
    records: Sequence[FocusRecord],
    known: Mapping[str, StoredState],
    *,
    rows: PlatformRows,
    recovered: Collection[str] = (),
    outbox: Outbox = NO_OUTBOX,
) -> Written:
    """Writes the records, one for each FocusSession, in the caller's transaction.

    known: what this process wrote before; what is missing is read from the database. recovered: sessions whose record
    was left in a spool. `progress` says which are written. Writing 32 records takes 20 ms of the event loop, a few at a
    time (`bench saves`): write many records in several calls.
    """
    unknown = [record.focus_session_id for record in records if record.focus_session_id not in known]
    before = {**known, **(await _look_up(connection, unknown) if unknown else {})}
    pointers = {key: state.pointer for key, state in before.items()}
    chosen = await choose_rows(connection, records, pointers, rows)  # takes locks: read what may change after this
    progress = await lock_progress(connection, [record.focus_session_id for record in records])
    superseded: set[str] = set()
    writable: list[FocusRecord] = []
    for record in records:
        key, stored = record.focus_session_id, progress.get(record.focus_session_id)
        decided = verdict(record, stored, spooled=key in recovered)
        if decided is Verdict.SUPERSEDED:
            superseded.add(key)
        elif decided is Verdict.WRITTEN:
            writable.append(with_stored_end(record, stored) if key in recovered else record)
    records = writable
    if not records:
        return Written({}, superseded)
    after = {
        record.focus_session_id: StoredState(chosen[record.focus_session_id], record.spans, record.multiple_faces)
        for record in records
    }
    new = [record for record in records if record.focus_session_id not in progress]
    await end_elsewhere(connection, [record for record in new if record.focus_session_id not in recovered], outbox)
    await write_own_rows(connection, [(record, chosen[record.focus_session_id].row_id) for record in records])
    await write_rows(
        connection,
        {
            (chosen[record.focus_session_id].row_id, record.learner.user_id, record.learner.module_id)
            for record in records
        },
    )
    changes = [(key, before.get(key), state) for key, state in after.items()]
    await write_spans(connection, [(key, old.spans if old else (), new.spans) for key, old, new in changes])
    await write_multiple_faces(
        connection, [(key, old.multiple_faces if old else (), new.multiple_faces) for key, old, new in changes]
    )
    await outbox.put_written(connection, [(record, progress.get(record.focus_session_id)) for record in records])
    return Written(after, superseded)


async def _look_up(connection: AsyncConnection, focus_session_ids: Sequence[str]) -> dict[str, StoredState]:
    query = (
        select(
            focus_sessions.c.focus_session_id,
            focus_sessions.c.platform_row_id,
            *(platform_days.c[name] for name in ("user_id", "module_id", "day", "section_id")),
        )
        .select_from(focus_sessions)
        .outerjoin(
            platform_days,
            and_(
                platform_days.c.platform_row_id == focus_sessions.c.platform_row_id,
                platform_days.c.user_id == focus_sessions.c.user_id,
                platform_days.c.module_id == focus_sessions.c.module_id,
            ),
        )
        .where(focus_sessions.c.focus_session_id.in_(focus_session_ids))
    )
    sessions = (await connection.execute(query)).all()
    return {
        row.focus_session_id: StoredState(
            RowPointer(
                row.platform_row_id,
                DayKey(row.user_id, row.module_id, row.day, row.section_id) if row.day is not None else None,
            ),
            await stored_spans(connection, row.focus_session_id),
            await stored_multiple_faces(connection, row.focus_session_id),
        )
        for row in sessions
    }

"""Writes a batch of records in one transaction.

Nothing is added to old values: whatever was there before, afterwards the rows hold what the record says.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Row, Table, and_, delete, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from rtc_server.focus.state import FocusState, Reason, Span
from rtc_server.record import FocusRecord
from rtc_server.store.platform.platform_row import identity_columns
from rtc_server.store.platform.row_choice import DayKey, PlatformRows, RowPointer, choose_rows
from rtc_server.store.platform.row_content import write_rows
from rtc_server.store.progress import overtaken
from rtc_server.store.schema import focus_sessions, focus_spans, multiple_faces_spans, platform_days

_ROWS_IN_ONE_STATEMENT = 200
"""Building it takes a few ms of the event loop."""
_Stretch = TypeVar("_Stretch", Span, tuple[float, float])


@dataclass(frozen=True, slots=True)
class StoredState:
    """What the database holds of one FocusSession, as far as this process knows."""

    pointer: RowPointer
    spans: tuple[Span, ...]
    multiple_faces: tuple[tuple[float, float], ...]


async def write_records(
    connection: AsyncConnection,
    records: Sequence[FocusRecord],
    known: Mapping[str, StoredState],
    *,
    rows: PlatformRows,
    recovered: Collection[str] = (),
) -> dict[str, StoredState]:
    """Writes the records, one for each FocusSession, in the caller's transaction.

    known: what this process wrote before; what is missing is read from the database. recovered: sessions for which the
    database may have a newer record, which is then kept. Returns what the database holds of the written sessions after
    the commit. Building the statements for 32 records takes about 5 ms of the event loop, for 100 three times that:
    write many records in pieces.
    """
    unknown = [record.focus_session_id for record in records if record.focus_session_id not in known]
    before = {**known, **(await _look_up(connection, unknown) if unknown else {})}
    pointers = {key: state.pointer for key, state in before.items()}
    chosen = await choose_rows(connection, records, pointers, rows)  # takes locks: read what may change after this
    newer = await overtaken(connection, [record for record in records if record.focus_session_id in recovered])
    records = [record for record in records if record.focus_session_id not in newer]
    if not records:
        return {}
    after = {
        record.focus_session_id: StoredState(chosen[record.focus_session_id], record.spans, record.multiple_faces)
        for record in records
    }
    await connection.execute(delete(focus_sessions).where(focus_sessions.c.focus_session_id.in_(after)))
    await connection.execute(
        insert(focus_sessions), [_own_row(record, chosen[record.focus_session_id].row_id) for record in records]
    )
    await write_rows(
        connection,
        {
            (chosen[record.focus_session_id].row_id, record.learner.user_id, record.learner.module_id)
            for record in records
        },
    )
    changes = [(key, before.get(key), state) for key, state in after.items()]
    spans = [(key, old.spans if old else (), new.spans) for key, old, new in changes]
    await _write_spans(connection, focus_spans, spans, _span_columns)
    multiple_faces = [(key, old.multiple_faces if old else (), new.multiple_faces) for key, old, new in changes]
    await _write_spans(connection, multiple_faces_spans, multiple_faces, _multiple_faces_columns)
    return after


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


async def stored_spans(
    connection: AsyncConnection, focus_session_id: str, *, after: int = -1, limit: int | None = None
) -> tuple[Span, ...]:
    """At most `limit` spans in order, beginning after the one with number `after`."""
    rows = await _stretches(connection, focus_spans, focus_session_id, after, limit)
    return tuple(Span(row.start_s, row.end_s, FocusState(row.state), Reason(row.reason)) for row in rows)


async def stored_multiple_faces(connection: AsyncConnection, focus_session_id: str) -> tuple[tuple[float, float], ...]:
    rows = await _stretches(connection, multiple_faces_spans, focus_session_id, -1, None)
    return tuple((row.start_s, row.end_s) for row in rows)


async def _stretches(
    connection: AsyncConnection, table: Table, focus_session_id: str, after: int, limit: int | None
) -> Sequence[Row[Any]]:
    query = select(table).where(table.c.focus_session_id == focus_session_id, table.c.ordinal > after)
    return (await connection.execute(query.order_by(table.c.ordinal).limit(limit))).all()


def _own_row(record: FocusRecord, platform_row_id: int) -> dict[str, object]:
    totals = record.totals
    return {
        "focus_session_id": record.focus_session_id,
        "platform_row_id": platform_row_id,
        **identity_columns(record.learner),
        "policy": record.policy,
        "session_type": record.session_type,
        "started_at": record.started_at,
        "recorded_at": record.recorded_at,
        "ended_at": record.recorded_at if record.end_reason is not None else None,
        "end_reason": record.end_reason,
        "focused_s": totals.focused_s,
        "unfocused_s": totals.unfocused_s,
        "unknown_s": totals.unknown_s,
        "multiple_faces_s": totals.multiple_faces_s,
        "focused_stretches": totals.focused_stretches,
        "unfocused_stretches": totals.unfocused_stretches,
        "consent_at": record.consent_at,
        "calibration_error_deg": record.calibration_error_deg,
        "calibration_quality": record.calibration_quality,
        "merged_spans": record.merged_spans,
    }


async def _write_spans(
    connection: AsyncConnection,
    table: Table,
    sessions: Sequence[tuple[str, tuple[_Stretch, ...], tuple[_Stretch, ...]]],
    columns: Callable[[_Stretch], dict[str, object]],
) -> None:
    """Writes the spans from the first one that differs from what is stored. Usually only the last one has changed.

    sessions: for each FocusSession its id, the stored spans, and the new ones.
    """
    outdated, rows = [], []
    for focus_session_id, old, new in sessions:
        same = _common_length(old, new)
        if same < len(old):
            outdated.append((table.c.focus_session_id == focus_session_id) & (table.c.ordinal >= same))
        rows += [
            {"focus_session_id": focus_session_id, "ordinal": ordinal, **columns(span)}
            for ordinal, span in enumerate(new[same:], start=same)
        ]
    if outdated:
        await connection.execute(delete(table).where(or_(*outdated)))
    for start in range(0, len(rows), _ROWS_IN_ONE_STATEMENT):
        await connection.execute(insert(table), rows[start : start + _ROWS_IN_ONE_STATEMENT])


def _span_columns(span: Span) -> dict[str, object]:
    return {"start_s": span.start_s, "end_s": span.end_s, "state": span.state.value, "reason": span.reason.value}


def _multiple_faces_columns(span: tuple[float, float]) -> dict[str, object]:
    start_s, end_s = span
    return {"start_s": start_s, "end_s": end_s}


def _common_length(old: Sequence[object], new: Sequence[object]) -> int:
    for index, (one, other) in enumerate(zip(old, new, strict=False)):
        if one is not other and one != other:  # usually it is the same object
            return index
    return min(len(old), len(new))

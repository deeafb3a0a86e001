"""One transaction that makes the database say what a batch of records says.

Nothing here adds: whatever was there before, afterwards each record's rows are what the record says.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Table, case, delete, insert, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from rtc_server.focus.record import FocusRecord
from rtc_server.focus.state import FocusState, Reason, Span
from rtc_server.store.platform_row import identity_columns, measured_columns
from rtc_server.store.schema import focus_sessions, focus_spans, multiple_faces_spans, platform_rows

_Stretch = TypeVar("_Stretch", Span, tuple[float, float])
_SESSIONS_IN_ONE_STATEMENT = 32
"""Building an UPDATE for this many takes about 5 ms of the event loop, for 100 three times that."""


@dataclass(frozen=True, slots=True)
class StoredState:
    """What the database is known to hold of one FocusSession."""

    platform_row_id: int
    spans: tuple[Span, ...]
    multiple_faces: tuple[tuple[float, float], ...]


async def write_records(
    connection: AsyncConnection, records: Sequence[FocusRecord], known: Mapping[str, StoredState]
) -> dict[str, StoredState]:
    """Writes the records, of one FocusSession each, inside the caller's transaction.

    `known` spares reading back what this process wrote itself; what it lacks is looked up. Returns what
    the database holds once the transaction is committed.
    """
    stored: dict[str, StoredState] = {}
    for start in range(0, len(records), _SESSIONS_IN_ONE_STATEMENT):
        stored |= await _write(connection, records[start : start + _SESSIONS_IN_ONE_STATEMENT], known)
    return stored


async def _write(
    connection: AsyncConnection, records: Sequence[FocusRecord], known: Mapping[str, StoredState]
) -> dict[str, StoredState]:
    unknown = [record.focus_session_id for record in records if record.focus_session_id not in known]
    before = {**known, **(await _look_up(connection, unknown) if unknown else {})}

    row_ids = {
        record.focus_session_id: before[record.focus_session_id].platform_row_id
        for record in records
        if record.focus_session_id in before
    }
    row_ids = await _update_platform_rows(connection, records, row_ids)
    for record in records:
        if record.focus_session_id not in row_ids:
            row_ids[record.focus_session_id] = await _insert_platform_row(connection, record)

    await connection.execute(delete(focus_sessions).where(focus_sessions.c.focus_session_id.in_(row_ids)))
    await connection.execute(
        insert(focus_sessions), [_own_row(record, row_ids[record.focus_session_id]) for record in records]
    )
    after = {
        record.focus_session_id: StoredState(row_ids[record.focus_session_id], record.spans, record.multiple_faces)
        for record in records
    }
    nothing = StoredState(0, (), ())
    changes = [(key, before.get(key, nothing), state) for key, state in after.items()]
    spans = [(key, old.spans, new.spans) for key, old, new in changes]
    await _write_spans(connection, focus_spans, spans, _span_columns)
    multiple_faces = [(key, old.multiple_faces, new.multiple_faces) for key, old, new in changes]
    await _write_spans(connection, multiple_faces_spans, multiple_faces, _multiple_faces_columns)
    return after


async def _look_up(connection: AsyncConnection, focus_session_ids: Sequence[str]) -> dict[str, StoredState]:
    query = select(focus_sessions.c.focus_session_id, focus_sessions.c.platform_row_id)
    sessions = (await connection.execute(query.where(focus_sessions.c.focus_session_id.in_(focus_session_ids)))).all()
    found = [row.focus_session_id for row in sessions]
    spans = await stored_spans(connection, found) if found else {}
    multiple_faces = await stored_multiple_faces(connection, found) if found else {}
    return {
        row.focus_session_id: StoredState(
            row.platform_row_id, spans.get(row.focus_session_id, ()), multiple_faces.get(row.focus_session_id, ())
        )
        for row in sessions
    }


async def stored_spans(connection: AsyncConnection, focus_session_ids: Sequence[str]) -> dict[str, tuple[Span, ...]]:
    query = (
        select(focus_spans)
        .where(focus_spans.c.focus_session_id.in_(focus_session_ids))
        .order_by(focus_spans.c.focus_session_id, focus_spans.c.ordinal)
    )
    spans: dict[str, list[Span]] = {}
    for row in await connection.execute(query):
        span = Span(row.start_s, row.end_s, FocusState(row.state), Reason(row.reason))
        spans.setdefault(row.focus_session_id, []).append(span)
    return {focus_session_id: tuple(found) for focus_session_id, found in spans.items()}


async def stored_multiple_faces(
    connection: AsyncConnection, focus_session_ids: Sequence[str]
) -> dict[str, tuple[tuple[float, float], ...]]:
    query = (
        select(multiple_faces_spans)
        .where(multiple_faces_spans.c.focus_session_id.in_(focus_session_ids))
        .order_by(multiple_faces_spans.c.focus_session_id, multiple_faces_spans.c.ordinal)
    )
    spans: dict[str, list[tuple[float, float]]] = {}
    for row in await connection.execute(query):
        spans.setdefault(row.focus_session_id, []).append((row.start_s, row.end_s))
    return {focus_session_id: tuple(found) for focus_session_id, found in spans.items()}


async def _update_platform_rows(
    connection: AsyncConnection, records: Sequence[FocusRecord], row_ids: Mapping[str, int]
) -> dict[str, int]:
    """Updates the rows that are there, and returns their ids: a row that the platform has deleted is missing.

    A row counts as ours only with its learner and module: the database may have given a deleted row's
    id to somebody else.
    """
    expected = {row_ids[record.focus_session_id]: record for record in records if record.focus_session_id in row_ids}
    if not expected:
        return {}
    ours = tuple_(platform_rows.c.id, platform_rows.c.user_id, platform_rows.c.module_id).in_(
        [(row_id, record.learner.user_id, record.learner.module_id) for row_id, record in expected.items()]
    )
    values = {row_id: measured_columns(record) for row_id, record in expected.items()}
    # One statement for all. `id IN` is implied by the rest, and lets every database go by the primary key.
    statement = (
        update(platform_rows)
        .where(platform_rows.c.id.in_(expected), ours)
        .values(
            {
                column: case({row_id: columns[column] for row_id, columns in values.items()}, value=platform_rows.c.id)
                for column in next(iter(values.values()))
            }
        )
    )
    matched = (await connection.execute(statement)).rowcount
    if matched == len(expected):
        return dict(row_ids)
    still_there = set((await connection.scalars(select(platform_rows.c.id).where(ours))).all())
    return {focus_session_id: row_id for focus_session_id, row_id in row_ids.items() if row_id in still_there}


async def _insert_platform_row(connection: AsyncConnection, record: FocusRecord) -> int:
    """One by one, because MySQL tells only the id of the last row inserted."""
    columns = identity_columns(record.learner) | measured_columns(record)
    key = (await connection.execute(insert(platform_rows).values(columns))).inserted_primary_key
    assert key is not None
    return int(key[0])


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
        "focus_sessions": totals.focus_sessions,
        "unfocus_sessions": totals.unfocus_sessions,
        "consent_at": record.consent_at,
        "calibration_error_deg": record.calibration_error_deg,
        "calibration_quality": record.calibration_quality,
    }


async def _write_spans(
    connection: AsyncConnection,
    table: Table,
    sessions: Sequence[tuple[str, tuple[_Stretch, ...], tuple[_Stretch, ...]]],
    columns: Callable[[_Stretch], dict[str, object]],
) -> None:
    """Writes from the first span on that differs from what is stored: the last one grows, earlier ones stay.

    `sessions` has of each FocusSession its id, what is stored, and what is to be.
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
    if rows:
        await connection.execute(insert(table), rows)


def _span_columns(span: Span) -> dict[str, object]:
    return {"start_s": span.start_s, "end_s": span.end_s, "state": span.state.value, "reason": span.reason.value}


def _multiple_faces_columns(span: tuple[float, float]) -> dict[str, object]:
    start_s, end_s = span
    return {"start_s": start_s, "end_s": end_s}


def _common_length(old: Sequence[object], new: Sequence[object]) -> int:
    for index, (one, other) in enumerate(zip(old, new, strict=False)):
        if one != other:
            return index
    return min(len(old), len(new))

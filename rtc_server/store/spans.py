"""Reads and writes the spans of sessions. Usually only the last one of a session has changed."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Row, Table, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from rtc_server.focus.state import FocusState, Reason, Span
from rtc_server.store.schema import focus_spans, multiple_faces_spans
from rtc_server.store.upsert import upsert

_ROWS_IN_ONE_STATEMENT = 200
"""Building it takes a few ms of the event loop."""
_Stretch = TypeVar("_Stretch", Span, tuple[float, float])


async def stored_spans(
    connection: AsyncConnection, focus_session_id: str, *, after: int = -1, limit: int | None = None
) -> tuple[Span, ...]:
    """At most `limit` spans in order, beginning after the one with number `after`."""
    rows = await _stretches(connection, focus_spans, focus_session_id, after, limit)
    return tuple(Span(row.start_s, row.end_s, FocusState(row.state), Reason(row.reason)) for row in rows)


async def stored_multiple_faces(connection: AsyncConnection, focus_session_id: str) -> tuple[tuple[float, float], ...]:
    rows = await _stretches(connection, multiple_faces_spans, focus_session_id, -1, None)
    return tuple((row.start_s, row.end_s) for row in rows)


async def write_spans(
    connection: AsyncConnection, sessions: Sequence[tuple[str, tuple[Span, ...], tuple[Span, ...]]]
) -> None:
    """sessions: for each FocusSession its id, the stored spans, and the new ones."""
    await _write(connection, focus_spans, sessions, _span_columns)


async def write_multiple_faces(
    connection: AsyncConnection,
    sessions: Sequence[tuple[str, tuple[tuple[float, float], ...], tuple[tuple[float, float], ...]]],
) -> None:
    """sessions: as for `write_spans`."""
    await _write(connection, multiple_faces_spans, sessions, _multiple_faces_columns)


async def _stretches(
    connection: AsyncConnection, table: Table, focus_session_id: str, after: int, limit: int | None
) -> Sequence[Row[Any]]:
    query = select(table).where(table.c.focus_session_id == focus_session_id, table.c.ordinal > after)
    return (await connection.execute(query.order_by(table.c.ordinal).limit(limit))).all()


async def _write(
    connection: AsyncConnection,
    table: Table,
    sessions: Sequence[tuple[str, tuple[_Stretch, ...], tuple[_Stretch, ...]]],
    columns: Callable[[_Stretch], dict[str, object]],
) -> None:
    """Writes the spans from the first one that differs from what is stored, and removes those beyond the last."""
    rows = []
    for focus_session_id, old, new in sessions:
        same = _common_length(old, new)
        if len(new) < len(old):
            beyond = (table.c.focus_session_id == focus_session_id) & (table.c.ordinal >= len(new))
            await connection.execute(delete(table).where(beyond))
        rows += [
            {"focus_session_id": focus_session_id, "ordinal": ordinal, **columns(span)}
            for ordinal, span in enumerate(new[same:], start=same)
        ]
    for start in range(0, len(rows), _ROWS_IN_ONE_STATEMENT):
        await connection.execute(upsert(table, connection.dialect.name), rows[start : start + _ROWS_IN_ONE_STATEMENT])


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

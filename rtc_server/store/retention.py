"""Removing what is kept of people: all of one person's, or everybody's after a while."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy.exc
from sqlalchemy import ColumnElement, delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rtc_server.errors import StoreUnavailable
from rtc_server.store.schema import focus_sessions, focus_spans, multiple_faces_spans, platform_rows
from rtc_server.store.why_unavailable import why_unavailable

log = logging.getLogger(__name__)

CHECK_EVERY_S = 3600.0
_SESSIONS_IN_ONE_TRANSACTION = 500
"""So that a large removal never locks what is being measured meanwhile for long."""


@dataclass(frozen=True, slots=True)
class Removed:
    """How many rows are gone."""

    focus_sessions: int = 0
    spans: int = 0
    platform_rows: int = 0

    def __add__(self, other: "Removed") -> "Removed":
        return Removed(
            self.focus_sessions + other.focus_sessions,
            self.spans + other.spans,
            self.platform_rows + other.platform_rows,
        )


async def erase(engine: AsyncEngine, user_id: int, *, with_platform_rows: bool) -> Removed:
    """Removes all FocusSessions of a user; where asked, also every row the platform's table has of them.

    A session that is live goes on being written, from its next save on: end it first.
    Raises StoreUnavailable.
    """
    try:
        removed = await _remove(engine, focus_sessions.c.user_id == user_id, with_platform_rows=with_platform_rows)
        if with_platform_rows:  # also those that are not from here
            async with engine.begin() as connection:
                rest = await connection.execute(delete(platform_rows).where(platform_rows.c.user_id == user_id))
            removed += Removed(platform_rows=rest.rowcount)
    except (sqlalchemy.exc.SQLAlchemyError, OSError) as error:
        raise StoreUnavailable(why_unavailable(engine.url, error)) from error
    return removed


async def expire(engine: AsyncEngine, older_than: datetime, *, with_platform_rows: bool) -> Removed:
    """Removes FocusSessions last recorded before `older_than` (aware); where asked, with their platform rows.

    Rows of the platform's that are not from here stay. Raises StoreUnavailable.
    """
    try:
        return await _remove(engine, focus_sessions.c.recorded_at < older_than, with_platform_rows=with_platform_rows)
    except (sqlalchemy.exc.SQLAlchemyError, OSError) as error:
        raise StoreUnavailable(why_unavailable(engine.url, error)) from error


async def keep_expiring(
    engine: AsyncEngine, retention_days: float, *, with_platform_rows: bool, every_s: float = CHECK_EVERY_S
) -> None:
    """Removes what is older than `retention_days`, now and again every `every_s`, until cancelled."""
    while True:
        try:
            removed = await expire(
                engine, datetime.now(UTC) - timedelta(days=retention_days), with_platform_rows=with_platform_rows
            )
        except StoreUnavailable:
            log.warning("the database is away: what is too old is removed later")
        else:
            if removed != Removed():
                log.info("removed what was too old", extra={"focus_sessions": removed.focus_sessions})
        await asyncio.sleep(every_s)


async def _remove(engine: AsyncEngine, which: ColumnElement[bool], *, with_platform_rows: bool) -> Removed:
    query = select(
        focus_sessions.c.focus_session_id,
        focus_sessions.c.platform_row_id,
        focus_sessions.c.user_id,
        focus_sessions.c.module_id,
    )
    removed = Removed()
    while True:
        async with engine.begin() as connection:
            found = (await connection.execute(query.where(which).limit(_SESSIONS_IN_ONE_TRANSACTION))).all()
            if not found:
                return removed
            removed += await _remove_sessions(connection, [row.focus_session_id for row in found])
            if with_platform_rows:
                # With learner and module, as the id of a deleted row may be somebody else's by now.
                ours = tuple_(platform_rows.c.id, platform_rows.c.user_id, platform_rows.c.module_id)
                keys = [(row.platform_row_id, row.user_id, row.module_id) for row in found]
                rows = await connection.execute(
                    delete(platform_rows).where(platform_rows.c.id.in_([key[0] for key in keys]), ours.in_(keys))
                )
                removed += Removed(platform_rows=rows.rowcount)


async def _remove_sessions(connection: AsyncConnection, focus_session_ids: Sequence[str]) -> Removed:
    spans = 0
    for table in (focus_spans, multiple_faces_spans):
        spans += (
            await connection.execute(delete(table).where(table.c.focus_session_id.in_(focus_session_ids)))
        ).rowcount
    sessions = await connection.execute(
        delete(focus_sessions).where(focus_sessions.c.focus_session_id.in_(focus_session_ids))
    )
    return Removed(focus_sessions=sessions.rowcount, spans=spans)

"""Removes stored data: all of one user, or everybody's after some time."""

import asyncio
import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy.exc
from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rtc_server.errors import StoreUnavailable
from rtc_server.store.outbox.differences import forget_differences
from rtc_server.store.outbox.outbox import NO_OUTBOX, Outbox, remove_events
from rtc_server.store.pause import pause
from rtc_server.store.platform.catalogue import note_rows
from rtc_server.store.platform.day_removal import days_of, forget_days, give_back_rows, note_removal, without_sessions
from rtc_server.store.platform.row_choice import lock_days
from rtc_server.store.schema import focus_sessions, focus_spans, multiple_faces_spans, platform_days, platform_rows
from rtc_server.store.schema import outbox as outbox_rows
from rtc_server.store.spool.connection import unreadable_files
from rtc_server.store.spool.spool import remove_waiting
from rtc_server.store.why_unavailable import why_unavailable

logger = logging.getLogger(__name__)

CHECK_EVERY_S = 3600.0
_SESSIONS_IN_ONE_TRANSACTION = 500
"""Sessions removed in one transaction. A larger one would lock rows that live sessions need."""


@dataclass(frozen=True, slots=True)
class Removed:
    """How many rows were removed, and how many sessions that waited for the database."""

    focus_sessions: int = 0
    spans: int = 0
    platform_rows: int = 0
    spooled: int = 0

    def __add__(self, other: "Removed") -> "Removed":
        return Removed(
            self.focus_sessions + other.focus_sessions,
            self.spans + other.spans,
            self.platform_rows + other.platform_rows,
            self.spooled + other.spooled,
        )


async def erase(
    engine: AsyncEngine, spool: Path, user_id: int, *, with_platform_rows: bool, outbox: Outbox = NO_OUTBOX
) -> Removed:
    """Removes all FocusSessions of a user; if asked, also all rows of this user in the platform's table.

    What other systems were still to be told of this user is removed too; then they are told of the erasure.

    A live session is written again at its next save, so end it first. The same is true for a session that a running
    server holds after an outage: `rtc-server check` says when none waits. Raises StoreUnavailable.
    """
    # First the spool, so that a server that starts meanwhile cannot store them again.
    try:
        spooled = await asyncio.to_thread(remove_waiting, spool, user_id=user_id)
    except (OSError, sqlite3.Error) as error:
        raise StoreUnavailable(f"The spool {spool} cannot be searched ({error}): check RTC_SPOOL.") from error
    try:
        removed = await _remove(
            engine, focus_sessions.c.user_id == user_id, with_platform_rows=with_platform_rows, may_be_live=True
        )
        if with_platform_rows:  # also rows that this server did not write
            async with engine.begin() as connection:
                await connection.execute(delete(platform_days).where(platform_days.c.user_id == user_id))
                rest = await connection.execute(delete(platform_rows).where(platform_rows.c.user_id == user_id))
            removed += Removed(platform_rows=rest.rowcount)
        async with engine.begin() as connection:  # last: nothing is told of what is still there
            await outbox.put_erased(connection, user_id)
    except (sqlalchemy.exc.SQLAlchemyError, OSError) as error:
        raise StoreUnavailable(why_unavailable(engine.url, error)) from error
    return removed + Removed(spooled=spooled)


async def expire(engine: AsyncEngine, older_than: datetime, *, with_platform_rows: bool) -> Removed:
    """Removes FocusSessions last recorded before `older_than` (aware); if asked, with their platform rows.

    A platform row is removed with the last of our sessions in it. A row that held time before ours stays and gets back
    what it held. Raises StoreUnavailable.
    """
    try:
        removed = await _remove(
            engine,
            focus_sessions.c.recorded_at < older_than,
            with_platform_rows=with_platform_rows,
            may_be_live=False,
        )
        async with engine.begin() as connection:
            await remove_events(connection, select(outbox_rows.c.id).where(outbox_rows.c.occurred_at < older_than))
    except (sqlalchemy.exc.SQLAlchemyError, OSError) as error:
        raise StoreUnavailable(why_unavailable(engine.url, error)) from error
    return removed


def expire_spooled(spool: Path, older_than: datetime) -> int:
    """Removes sessions last recorded before `older_than` (aware) from the spool, and files set aside before then.

    Returns how many. Blocks. Raises OSError and sqlite3.Error.
    """
    removed = remove_waiting(spool, older_than=older_than)
    for path in unreadable_files(spool):
        if not path.is_dir() and path.lstat().st_mtime < older_than.timestamp():
            path.unlink(missing_ok=True)
            removed += 1
    return removed


async def keep_expiring(
    engine: AsyncEngine,
    spool: Path,
    retention_days: float,
    stopping: asyncio.Event,
    *,
    with_platform_rows: bool,
    every_s: float = CHECK_EVERY_S,
) -> None:
    """Removes data older than `retention_days`, now and then every `every_s` seconds, until `stopping` is set."""
    while not stopping.is_set():
        older_than = datetime.now(UTC) - timedelta(days=retention_days)
        removed = Removed()
        try:
            removed += Removed(spooled=await asyncio.to_thread(expire_spooled, spool, older_than))
        except (OSError, sqlite3.Error) as error:
            logger.warning("the spool cannot be searched for what is too old", extra={"cause": type(error).__name__})
        try:
            removed += await expire(engine, older_than, with_platform_rows=with_platform_rows)
        except StoreUnavailable:
            logger.warning("the database does not answer: what is too old is removed later")
        if removed != Removed():
            logger.info(
                "removed what was too old",
                extra={"focus_sessions": removed.focus_sessions, "spooled": removed.spooled},
            )
        await pause(stopping, every_s)


async def _remove(
    engine: AsyncEngine, which: ColumnElement[bool], *, with_platform_rows: bool, may_be_live: bool
) -> Removed:
    columns = ("focus_session_id", "platform_row_id", "user_id", "module_id")
    query = select(*(focus_sessions.c[name] for name in columns)).where(which).limit(_SESSIONS_IN_ONE_TRANSACTION)
    removed = Removed()
    while True:
        async with engine.begin() as connection:
            found = (await connection.execute(query)).all()
            if not found:
                return removed
            keys = [row.focus_session_id for row in found]
            rows = {(row.platform_row_id, row.user_id, row.module_id) for row in found}
            # Before anything else, as all that write a day do.
            await lock_days(connection, await days_of(connection, rows))
            kept_up = await note_removal(connection, keys, may_be_live=may_be_live)
            removed += await _remove_sessions(connection, keys)
            await remove_events(connection, select(outbox_rows.c.id).where(outbox_rows.c.focus_session_id.in_(keys)))
            left = await without_sessions(connection, rows)
            if with_platform_rows:
                removed += Removed(platform_rows=await give_back_rows(connection, left))
            await forget_days(connection, left if with_platform_rows else left - kept_up)
            await note_rows(connection, left)


async def _remove_sessions(connection: AsyncConnection, focus_session_ids: Sequence[str]) -> Removed:
    spans = 0
    for table in (focus_spans, multiple_faces_spans):
        spans += (
            await connection.execute(delete(table).where(table.c.focus_session_id.in_(focus_session_ids)))
        ).rowcount
    await forget_differences(connection, focus_session_ids)
    sessions = await connection.execute(
        delete(focus_sessions).where(focus_sessions.c.focus_session_id.in_(focus_session_ids))
    )
    return Removed(focus_sessions=sessions.rowcount, spans=spans)

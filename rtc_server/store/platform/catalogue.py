"""An index of our own for rows of the platform's table that hold no session of ours: their ids, by module.

The platform's table has no index that begins with the module, and gets none from us. Ids only grow. So each row is
looked at once, by the primary key, and noted in `rtc_platform_only` if it is not ours. The latest rows are not noted
yet, because a row may be committed after one with a greater id. Who reads looks at these in the table itself, from the
id in `rtc_platform_seen`. A row may be deleted, or become ours, after it was noted: who reads checks that too.

Nothing of a person is in it.
"""

import asyncio
import logging
from collections.abc import Collection
from datetime import timedelta

import sqlalchemy.exc
from sqlalchemy import exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rtc_server.store.database_clock import database_now
from rtc_server.store.pause import pause
from rtc_server.store.platform.row_content import RowOwner
from rtc_server.store.schema import as_utc, focus_sessions, platform_only, platform_rows, platform_seen
from rtc_server.store.why_unavailable import root_cause

logger = logging.getLogger(__name__)

EVERY_S = 5.0
SETTLED_AFTER = timedelta(minutes=1)
"""A row that old was committed, if ever."""
_NEVER_THAT_LATE = timedelta(days=1)
"""A row from so far in the future has a wrong date: it is not waited for."""
ROWS_AT_ONCE = 2000

_rows, _noted, _ours = platform_rows.c, platform_only.c, focus_sessions.c


async def keep_catalogue(engine: AsyncEngine, stopping: asyncio.Event, *, every_s: float = EVERY_S) -> None:
    """Notes new rows, now and every `every_s` seconds, until `stopping` is set."""
    while not stopping.is_set():
        try:
            while not stopping.is_set() and await catch_up(engine) == ROWS_AT_ONCE:
                pass
        except (sqlalchemy.exc.SQLAlchemyError, OSError) as error:  # the writer says that the database does not answer
            logger.debug("the platform's rows were not looked at", extra={"cause": root_cause(error)})
        await pause(stopping, every_s)


async def catch_up(engine: AsyncEngine) -> int:
    """Looks at the next rows. Returns how many were looked at. Servers take turns."""
    async with engine.begin() as connection:
        seen = await connection.scalar(select(platform_seen.c.row_id).with_for_update())
        if seen is None:
            await connection.execute(insert(platform_seen).values(one=1, row_id=0))
            seen = 0
        now = await database_now(connection)
        pointed_at = exists().where(
            _ours.platform_row_id == _rows.id, _ours.user_id == _rows.user_id, _ours.module_id == _rows.module_id
        )
        noted = exists().where(_noted.platform_row_id == _rows.id)
        query = select(_rows.id, _rows.module_id, _rows.created_at, pointed_at.label("ours"), noted.label("noted"))
        settled = []
        for row in await connection.execute(query.where(_rows.id > seen).order_by(_rows.id).limit(ROWS_AT_ONCE)):
            if now - SETTLED_AFTER < as_utc(row.created_at) < now + _NEVER_THAT_LATE:
                break
            settled.append(row)
        new = [
            {"platform_row_id": row.id, "module_id": row.module_id} for row in settled if not row.ours and not row.noted
        ]
        if new:
            await connection.execute(insert(platform_only), new)
        if settled:
            await connection.execute(update(platform_seen).values(row_id=settled[-1].id))
        return len(settled)


async def note_rows(connection: AsyncConnection, rows: Collection[RowOwner]) -> None:
    """These hold no session of ours any more."""
    ids = {row_id: module_id for row_id, _, module_id in rows}
    if not ids:
        return
    query = select(_noted.platform_row_id).where(_noted.platform_row_id.in_(ids))
    noted = set((await connection.execute(query)).scalars())
    new = [{"platform_row_id": row_id, "module_id": ids[row_id]} for row_id in ids.keys() - noted]
    if new:
        await connection.execute(insert(platform_only), new)

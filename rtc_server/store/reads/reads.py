"""The reads that the API needs, each within a deadline on a connection for reads."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy.exc
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rtc_server.errors import StoreUnavailable
from rtc_server.store.reads.session_list import own_sessions, platform_only_rows
from rtc_server.store.reads.sums import sums
from rtc_server.store.reads.terms import By, Cursor, PlatformCursor, Scope, SessionCursor, SessionSummary, Sum


@asynccontextmanager
async def reading(engine: AsyncEngine, deadline_s: float) -> AsyncIterator[AsyncConnection]:
    """A connection for one read, the wait for it included. Raises StoreUnavailable."""
    try:
        async with asyncio.timeout(deadline_s), engine.connect() as connection:
            yield connection
    except (sqlalchemy.exc.SQLAlchemyError, OSError) as error:
        raise StoreUnavailable("The database does not answer. What was measured is kept and stored later.") from error


class Reads:
    def __init__(self, engine: AsyncEngine, *, deadline_s: float = 10.0) -> None:
        """engine: one of `open_reads`. deadline_s: for one page, including the wait for a connection."""
        self._engine = engine
        self._deadline_s = deadline_s

    async def sessions(
        self, scope: Scope, limit: int, after: Cursor | None
    ) -> tuple[list[SessionSummary], Cursor | None]:
        """A page of at most `limit`, and where the next one begins; None after the last. Raises StoreUnavailable."""
        async with reading(self._engine, self._deadline_s) as connection:
            found: list[SessionSummary] = []
            if not isinstance(after, PlatformCursor):
                found = await own_sessions(connection, scope, limit + 1, after)
                if len(found) > limit:
                    return found[:limit], _cursor_after(found[limit - 1])
            before_id = after.row_id if isinstance(after, PlatformCursor) else None
            found += await platform_only_rows(connection, scope, limit + 1 - len(found), before_id)
        if len(found) <= limit:
            return found, None
        last = found[limit - 1]
        return found[:limit], _cursor_after(last) if last.source == "platform" else PlatformCursor(None)

    async def sums(
        self, scope: Scope, by: By, limit: int, after: tuple[Any, ...] | None, *, min_learners: int
    ) -> list[Sum]:
        """Raises StoreUnavailable."""
        async with reading(self._engine, self._deadline_s) as connection:
            return await sums(connection, scope, by, limit, after, min_learners=min_learners)


def _cursor_after(last: SessionSummary) -> Cursor:
    if last.focus_session_id is None:
        return PlatformCursor(last.platform_row_id)
    return SessionCursor(last.started_at, last.focus_session_id)

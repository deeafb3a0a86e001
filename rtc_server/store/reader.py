"""Reads stored sessions."""

from sqlalchemy import String, select, type_coerce
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rtc_server.store.own_row import record_of
from rtc_server.store.reads.reads import reading
from rtc_server.store.schema import as_utc, focus_sessions, platform_rows
from rtc_server.store.spans import stored_multiple_faces, stored_spans
from rtc_server.store.stored_session import PlatformRow, StoredSession


class FocusReader:
    def __init__(self, engine: AsyncEngine, *, deadline_s: float = 5.0) -> None:
        """engine: one of `open_reads`. deadline_s: for one read, including the wait for a connection."""
        self._engine = engine
        self._deadline_s = deadline_s

    async def stored_session(
        self, focus_session_id: str, spans_after: int = -1, max_spans: int | None = None
    ) -> StoredSession | None:
        """The session with its spans after number `spans_after` (counted from 0); None if there is no such session.

        Raises StoreUnavailable.
        """
        one_more = None if max_spans is None else max_spans + 1
        async with reading(self._engine, self._deadline_s) as connection:
            query = select(focus_sessions).where(focus_sessions.c.focus_session_id == focus_session_id)
            session = (await connection.execute(query)).one_or_none()
            if session is None:
                return None
            spans = await stored_spans(connection, focus_session_id, after=spans_after, limit=one_more)
            multiple_faces = await stored_multiple_faces(connection, focus_session_id)
            row = await _platform_row(connection, session)
        more = max_spans is not None and len(spans) > max_spans
        record = record_of(session, spans[:max_spans], multiple_faces)
        return StoredSession(record, session.ended_at, row, spans_go_on=more)


async def _platform_row(connection: AsyncConnection, session: Row[tuple[object, ...]]) -> PlatformRow | None:
    columns = [
        # The platform's column may be of any type: read it as text.
        type_coerce(column, String) if column.name == "session_type" else column
        for column in platform_rows.columns
    ]
    query = select(*columns).where(
        platform_rows.c.id == session.platform_row_id,
        platform_rows.c.user_id == session.user_id,
        platform_rows.c.module_id == session.module_id,
    )
    row = (await connection.execute(query)).mappings().one_or_none()
    if row is None:
        return None
    moments = {name: as_utc(row[name]) for name in ("created_at", "last_updated")}
    return PlatformRow(**{**row, **moments})

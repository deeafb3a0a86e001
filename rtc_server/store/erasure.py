"""A learner's data is erased at their own wish, while the server runs."""

from pathlib import Path

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncEngine

from rtc_server.errors import StillLive
from rtc_server.store.outbox.outbox import NO_OUTBOX, Outbox
from rtc_server.store.reads.reads import reading
from rtc_server.store.retention import erase
from rtc_server.store.schema import focus_sessions

_WITHIN_S = 5.0


class LearnerErasure:
    def __init__(
        self, engine: AsyncEngine, spool: Path, *, with_platform_rows: bool, outbox: Outbox = NO_OUTBOX
    ) -> None:
        """engine: one that writes. with_platform_rows: also all rows of the learner in the platform's table."""
        self._engine = engine
        self._spool = spool
        self._with_platform_rows = with_platform_rows
        self._outbox = outbox

    async def live_on(self, user_id: int) -> list[str]:
        """The servers on which the learner has sessions that last. Raises StoreUnavailable."""
        servers = select(focus_sessions.c.server_id).distinct()
        theirs = servers.where(focus_sessions.c.user_id == user_id, focus_sessions.c.ended_at.is_(None))
        async with reading(self._engine, _WITHIN_S) as connection:
            return [server_id for server_id in await connection.scalars(theirs) if server_id is not None]

    async def erase(self, user_id: int) -> None:
        """Whoever calls has ended the learner's sessions on this server, and has had them stored.

        Raises StillLive where one lasts on another server: that would store it again. Raises StoreUnavailable.
        """
        open_elsewhere = exists().where(focus_sessions.c.user_id == user_id, focus_sessions.c.ended_at.is_(None))
        async with reading(self._engine, _WITHIN_S) as connection:
            if await connection.scalar(select(open_elsewhere)):
                raise StillLive("A session is live on another server. End it there, and try again.")
        await erase(
            self._engine,
            self._spool,
            user_id,
            with_platform_rows=self._with_platform_rows,
            outbox=self._outbox,
        )

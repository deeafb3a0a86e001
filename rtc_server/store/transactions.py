"""The transactions in which sessions are written and change their server."""

import asyncio
from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rtc_server.learner import Learner
from rtc_server.record import FocusRecord
from rtc_server.store import ownership
from rtc_server.store.outbox.outbox import NO_OUTBOX, Outbox
from rtc_server.store.platform.row_choice import PlatformRows
from rtc_server.store.sql import Written, write_records
from rtc_server.store.unsaved_session import UnsavedSession


class Transactions:
    """Writes sessions, each batch within a deadline. Use it from the event loop."""

    def __init__(
        self, engine: AsyncEngine, rows: PlatformRows, deadline_s: float = 15.0, outbox: Outbox = NO_OUTBOX
    ) -> None:
        self._engine = engine
        self._outbox = outbox
        self._rows = rows
        self._deadline_s = deadline_s

    async def write(self, entries: Sequence[UnsavedSession]) -> Written:
        """Writes the record of each in one transaction.

        Raises whatever the database, its driver or the deadline raises. Whether it was stored is not known then.
        """
        records = [entry.record for entry in entries]
        known = {entry.record.focus_session_id: entry.stored for entry in entries if entry.stored is not None}
        recovered = {entry.record.focus_session_id for entry in entries if entry.recovered}
        async with asyncio.timeout(self._deadline_s), self._engine.begin() as connection:
            return await write_records(
                connection, records, known, rows=self._rows, recovered=recovered, outbox=self._outbox
            )

    async def database_answers(self) -> bool:
        try:
            async with asyncio.timeout(self._deadline_s), self._engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        except Exception:  # any failure is the answer
            return False
        return True


class OwnershipTransactions:
    """Implements `OwnershipRows`. The caller has the deadline."""

    def __init__(self, engine: AsyncEngine, outbox: Outbox = NO_OUTBOX) -> None:
        self._engine = engine
        self._outbox = outbox

    async def renew_lease(self, server_id: str, lease_s: float) -> None:
        async with self._engine.begin() as connection:
            await ownership.renew_lease(connection, server_id, lease_s)

    async def give_up_lease(self, server_id: str) -> None:
        async with self._engine.begin() as connection:
            await ownership.give_up_lease(connection, server_id)

    async def close_orphans(self) -> int:
        async with self._engine.begin() as connection:
            return await ownership.close_orphans(connection, self._outbox)

    async def claim(
        self, focus_session_id: str, learner: Learner, server_id: str, window_s: float
    ) -> FocusRecord | None:
        async with self._engine.begin() as connection:
            return await ownership.claim(connection, focus_session_id, learner, server_id, window_s, self._outbox)

    async def seconds_ahead(self, learner: Learner) -> float:
        async with self._engine.begin() as connection:
            return await ownership.seconds_ahead(connection, learner)

    async def release(self, focus_session_id: str, learner: Learner, server_id: str) -> None:
        async with self._engine.begin() as connection:
            await ownership.release(connection, focus_session_id, learner, server_id, self._outbox)

    async def fence_of(self, focus_session_id: str) -> int | None:
        async with self._engine.begin() as connection:
            return await ownership.fence_of(connection, focus_session_id)

"""The transactions in which sessions are written, each within a deadline."""

import asyncio
from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rtc_server.store.platform.row_choice import PlatformRows
from rtc_server.store.sql import Written, write_records
from rtc_server.store.unsaved_session import UnsavedSession


class Transactions:
    """Use it from the event loop."""

    def __init__(self, engine: AsyncEngine, rows: PlatformRows, deadline_s: float) -> None:
        self._engine = engine
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
            return await write_records(connection, records, known, rows=self._rows, recovered=recovered)

    async def database_answers(self) -> bool:
        try:
            async with asyncio.timeout(self._deadline_s), self._engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        except Exception:  # any failure is the answer
            return False
        return True

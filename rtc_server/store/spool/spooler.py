"""Writes to the spool for the writer: one task, with a thread for the disk."""

import asyncio
import errno
import logging
import sqlite3
from contextlib import suppress
from dataclasses import dataclass

from rtc_server.record import FocusRecord
from rtc_server.store.progress import progress
from rtc_server.store.spool.spool import Spool

logger = logging.getLogger(__name__)

_LAST_TRIES_S = (0.25, 0.5, 1.0, 2.0)
"""Waiting times between attempts while the server shuts down: the disk may get free space again."""


@dataclass(frozen=True, slots=True)
class _Wish:
    record: FocusRecord
    keep: bool
    """True: keep the record in the spool. False: the database has it, so remove it."""


class Spooler:
    """Only the newest wish for each FocusSession counts. No method called by the writer waits for the disk."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._wanted: dict[str, _Wish] = {}
        """Wishes that are not done yet."""
        self._held: dict[str, FocusRecord | None] = {}
        """The records in the spool; None if that is not certain."""
        self._failing = False
        self._told = False
        """A failure was logged in this outage."""
        self._wake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    @property
    def failing(self) -> bool:
        """True while the spool cannot be written. If the database is away too, a crash then loses sessions."""
        return self._failing

    @property
    def spooled(self) -> int:
        """Sessions with a record in the spool, or with one that will be there soon."""
        return len(self._held.keys() | {key for key, wish in self._wanted.items() if wish.keep})

    async def start(self) -> list[FocusRecord]:
        """Starts the task. Returns the records of earlier servers; they stay in the spool until they are dropped."""
        found = await asyncio.to_thread(self._spool.recover)
        self._held |= {record.focus_session_id: record for record in found}
        self._task = asyncio.create_task(self._run(), name="spool")
        return found

    def keep(self, record: FocusRecord) -> None:
        """Writes this record soon, unless it is in the spool already."""
        key = record.focus_session_id
        wish = self._wanted.get(key)
        if (wish.record if wish and wish.keep else self._held.get(key)) is not record:
            self._wanted[key] = _Wish(record, keep=True)
        if self._wanted:  # it may also be one that failed before
            self._wake.set()

    def drop(self, record: FocusRecord) -> None:
        """Removes this record and older ones soon: the database has it."""
        key = record.focus_session_id
        wish = self._wanted.get(key)
        if wish is not None and wish.keep and progress(wish.record) > progress(record):
            return  # a newer one, which the database does not have yet
        self._wanted.pop(key, None)
        if key in self._held:
            self._wanted[key] = _Wish(record, keep=False)
            self._wake.set()
        self._note_end()

    def keeps(self, focus_session_id: str) -> bool:
        """True if a record of that session is in the spool, or will be soon."""
        wish = self._wanted.get(focus_session_id)
        return wish.keep if wish is not None else focus_session_id in self._held

    async def close(self) -> int:
        """Does all wishes. Returns how many records could not be written."""
        if self._task is not None:
            self._closing = True
            self._wake.set()
            await self._task
            self._task = None
            for wait_s in _LAST_TRIES_S:
                if not self._wanted:
                    break
                await asyncio.sleep(wait_s)
                await self._work_off()
            await asyncio.to_thread(self._spool.close)
        return sum(wish.keep for wish in self._wanted.values())

    async def _run(self) -> None:
        while not self._closing:
            await self._wake.wait()
            self._wake.clear()
            await self._work_off()

    async def _work_off(self) -> None:
        """Does wishes until none is left or one fails. After a failure the others would fail too."""
        while self._wanted:
            key = next(iter(self._wanted))
            wish = self._wanted.pop(key)
            self._held[key] = wish.record if wish.keep else None  # set now, so that it is not asked for twice
            try:
                await asyncio.to_thread(self._spool.write if wish.keep else self._spool.remove, wish.record)
            except (OSError, sqlite3.Error) as error:
                self._held[key] = None
                self._wanted.setdefault(key, wish)
                self._note_failure(error)
                return
            if not wish.keep:
                with suppress(KeyError):
                    del self._held[key]
        self._note_end()

    def _note_failure(self, error: OSError | sqlite3.Error) -> None:
        """Logs a failure once in each outage."""
        if not self._told:
            cause = getattr(error, "sqlite_errorname", None) or errno.errorcode.get(getattr(error, "errno", None) or 0)
            logger.error("what waits for the database cannot be written to the spool either", extra={"cause": cause})
        self._failing = self._told = True

    def _note_end(self) -> None:
        if not self._wanted:
            self._failing = False
            self._told = self._told and bool(self._held)

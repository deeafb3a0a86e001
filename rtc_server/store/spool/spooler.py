"""Keeps the spool as the writer wants it, from one task, whose work is done by a thread."""

import asyncio
import errno
import logging
import sqlite3
from contextlib import suppress
from dataclasses import dataclass

from rtc_server.record import FocusRecord
from rtc_server.store.spool.spool import Spool

logger = logging.getLogger(__name__)

_LAST_TRIES_S = (0.25, 0.5, 1.0, 2.0)
"""Waits between attempts while the server ends: somebody may make room just then."""


@dataclass(frozen=True, slots=True)
class _Wish:
    record: FocusRecord
    keep: bool
    """Else the database has it, and it can go."""


class Spooler:
    """Of each FocusSession the newest wish counts. Nothing that is asked here waits for a disk."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._wanted: dict[str, _Wish] = {}
        """What is still to be done."""
        self._held: dict[str, FocusRecord | None] = {}
        """What is in the spool; None where it is not certain."""
        self._failing = False
        self._told = False
        """Of a failure, in this outage."""
        self._wake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    @property
    def failing(self) -> bool:
        """What the database does not take now would be lost with the server."""
        return self._failing

    async def start(self) -> list[FocusRecord]:
        """What servers before this one left, which is kept until it is dropped."""
        found = await asyncio.to_thread(self._spool.recover)
        self._held |= {record.focus_session_id: record for record in found}
        self._task = asyncio.create_task(self._run(), name="spool")
        return found

    def keep(self, record: FocusRecord) -> None:
        """Has it written, unless this very record is in the spool."""
        key = record.focus_session_id
        wish = self._wanted.get(key)
        if (wish.record if wish and wish.keep else self._held.get(key)) is not record:
            self._wanted[key] = _Wish(record, keep=True)
        if self._wanted:  # perhaps something that failed before, too
            self._wake.set()

    def drop(self, record: FocusRecord) -> None:
        """The database has it: it goes, with all that is older."""
        key = record.focus_session_id
        self._wanted.pop(key, None)
        if key in self._held:
            self._wanted[key] = _Wish(record, keep=False)
            self._wake.set()
        self._note_end()

    async def close(self) -> int:
        """Does what is still to be done. Returns how many records could not be written."""
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
        """Until nothing is left to do, or something cannot be done: then the rest would fare no better."""
        while self._wanted:
            key = next(iter(self._wanted))
            wish = self._wanted.pop(key)
            self._held[key] = wish.record if wish.keep else None  # from now on, so that nobody asks for it twice
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
        """Once an outage."""
        if not self._told:
            cause = getattr(error, "sqlite_errorname", None) or errno.errorcode.get(getattr(error, "errno", None) or 0)
            logger.error("what waits for the database cannot be written to the spool either", extra={"cause": cause})
        self._failing = self._told = True

    def _note_end(self) -> None:
        if not self._wanted:
            self._failing = False
            self._told = self._told and bool(self._held)

"""Keeps the spool as the writer wants it, from one task, whose files are written by a thread."""

import asyncio
import errno
import logging

from rtc_server.focus.record import FocusRecord
from rtc_server.store.spool import Spool

_log = logging.getLogger(__name__)


class Spooler:
    """Of each FocusSession the newest wish counts. Nothing that is asked here waits for a disk."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._wanted: dict[str, FocusRecord | None] = {}
        """What is still to be done: a record to write, or None to remove what there is."""
        self._held: dict[str, FocusRecord | None] = {}
        """Those that have a file, or may have one: then None."""
        self._failed = False
        self._wake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> list[FocusRecord]:
        """What servers before this one left, which is kept until it is dropped."""
        found = await asyncio.to_thread(self._spool.recover)
        self._held |= {record.focus_session_id: record for record in found}
        self._task = asyncio.create_task(self._run(), name="spool")
        return found

    def keep(self, record: FocusRecord) -> None:
        """Writes its FocusSession's file, unless this very record is in it."""
        key = record.focus_session_id
        if self._wanted.get(key, self._held.get(key)) is not record:
            self._wanted[key] = record
        if self._wanted:  # perhaps something that failed before, too
            self._wake.set()

    def drop(self, focus_session_id: str) -> None:
        """The database has it: its file goes, where there is one."""
        self._wanted.pop(focus_session_id, None)
        if focus_session_id in self._held:
            self._wanted[focus_session_id] = None
            self._wake.set()
        self._note_end()

    async def close(self) -> int:
        """Does what is still to be done. Returns how many records could not be written."""
        if self._task is not None:
            self._closing = True
            self._wake.set()
            await self._task
            self._task = None
            await asyncio.to_thread(self._spool.close)
        return sum(record is not None for record in self._wanted.values())

    async def _run(self) -> None:
        while not self._closing:
            await self._wake.wait()
            self._wake.clear()
            await self._work_off()

    async def _work_off(self) -> None:
        """Until nothing is left to do, or something cannot be done: then the rest would fare no better."""
        while self._wanted:
            key = next(iter(self._wanted))
            record = self._wanted.pop(key)
            self._held[key] = record  # from now on, so that nobody asks for it twice
            try:
                if record is not None:
                    await asyncio.to_thread(self._spool.write, record)
                else:
                    await asyncio.to_thread(self._spool.remove, key)
            except OSError as error:
                self._held[key] = None
                self._wanted.setdefault(key, record)
                self._note_failure(error)
                return
            if record is None:
                del self._held[key]
        self._note_end()

    def _note_failure(self, error: OSError) -> None:
        """Once an outage."""
        if not self._failed:
            cause = errno.errorcode.get(error.errno or 0, type(error).__name__)
            _log.error("what waits for the database cannot be kept in files too", extra={"cause": cause})
        self._failed = True

    def _note_end(self) -> None:
        if not self._wanted and not self._held:
            self._failed = False

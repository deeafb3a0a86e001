"""Writes records to the database. The measuring never waits for it.

    put(session) ──▶ sessions that have changed ──▶ transactions of 32, each with the newest record of a session

A session's first and last record are written at once, the others every `save_interval_s`. A record is asked for when it
is written, so that nothing is older than that. While the database is away, older records are not needed, because totals
are absolute. After the first refusal the records are also kept in the spool, for the next server that starts.
"""

import asyncio
import logging
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from typing import Protocol

from rtc_server.errors import StoreUnavailable
from rtc_server.record import FocusRecord
from rtc_server.store.spool.spool import Spool
from rtc_server.store.spool.spooler import Spooler
from rtc_server.store.sql import StoredState, Written
from rtc_server.store.unsaved_session import Recordable, UnsavedSession
from rtc_server.store.why_unavailable import root_cause
from rtc_server.store.write_counts import WriteCounts

logger = logging.getLogger(__name__)

_FIRST_RETRY_S = 0.5
_LONGEST_RETRY_S = 15.0
_SESSIONS_IN_ONE_TRANSACTION = 32
"""Sessions in one transaction. A locked row delays only these, and building the statements takes about 5 ms."""
_SPOOLED_AFTER_S = 1.0
"""If the last writes take longer, they are put into the spool as well: the process may be killed while it waits."""
_OVERDUE_S = 0.35
"""A write takes milliseconds. This and the save interval are what may be lost with a server beside a hung database."""
_WRITES_AT_ONCE = 4
"""Transactions at once; fewer than the engine's five connections."""


def retry_delay_s(failures: int) -> float:
    """Waiting time after each failed attempt in a row, in seconds: 0.5, 1, 2 … 15."""
    return min(_FIRST_RETRY_S * 2.0 ** min(failures - 1, 10), _LONGEST_RETRY_S)


class SessionRows(Protocol):
    async def write(self, entries: Sequence[UnsavedSession]) -> Written:
        """Writes the record of each in one transaction, within a deadline.

        Raises whatever the database, its driver or the deadline raises. Whether it was stored is not known then.
        """
        ...

    async def database_answers(self) -> bool: ...


class FocusWriter:
    """Implements the peers' `Recorder`."""

    def __init__(self, rows: SessionRows, spool: Spool, save_interval_s: float, *, ended_kept: int = 10_000) -> None:
        """ended_kept: how many ended sessions may wait for the database; then the oldest are dropped."""
        self._rows = rows
        self._spooler = Spooler(spool)
        self._save_interval_s = save_interval_s
        self._ended_kept = ended_kept
        self._entries: dict[str, UnsavedSession] = {}
        self._wake = asyncio.Event()
        self._failures = 0
        """How many rounds in a row have failed."""
        self._doubtful = False
        """True if a write failed and no round has succeeded since."""
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self.counts = WriteCounts()
        self._retrying: asyncio.Task[None] | None = None
        """Writes the refused sessions. The task above owns it."""

    @property
    def spool_fails(self) -> bool:
        """True while the spool cannot be written. If the database is away too, a crash then loses sessions."""
        return self._spooler.failing

    @property
    def database_is_away(self) -> bool:
        """The last round of writes failed."""
        return self._failures > 0

    @property
    def waiting(self) -> int:
        """Sessions with something that is not stored yet."""
        return sum(entry.dirty for entry in self._entries.values())

    @property
    def spooled(self) -> int:
        """Sessions that are in the spool, or will be soon."""
        return self._spooler.spooled

    async def start(self) -> None:
        """Starts the task. It first stores what earlier servers could not store."""
        for record in await self._spooler.start():
            self._entries[record.focus_session_id] = UnsavedSession(record, recovered=True)
        if self._entries:
            logger.info("storing what an earlier server could not store", extra={"sessions": len(self._entries)})
            self._wake.set()
        self._task = asyncio.create_task(self._run(), name="focus-writer")

    async def close(self, deadline_s: float = 10.0) -> None:
        """Writes all that is not stored yet. What the database does not take in time goes into the spool."""
        if self._task is None:
            return
        self._closing = True
        if self._doubtful:
            self._keep_in_spool(self._entries.values())  # before waiting: the process may be killed meanwhile
        self._wake.set()
        await asyncio.wait([self._task], timeout=min(_SPOOLED_AFTER_S, deadline_s))
        if not self._task.done():
            self._keep_in_spool(self._entries.values())
        with suppress(TimeoutError):
            async with asyncio.timeout(deadline_s - _SPOOLED_AFTER_S):
                await self._task
        self._task = None
        for entry in self._entries.values():
            entry.tell(StoreUnavailable("The server was shut down before it could store this session."))
        self._keep_in_spool(self._entries.values())
        lost = await self._spooler.close()
        if unsaved := sum(entry.dirty for entry in self._entries.values()):
            logger.error("shut down with sessions that are not stored", extra={"sessions": unsaved, "lost": lost})

    def put(self, session: Recordable) -> None:
        """Notes that a FocusSession has changed. Never blocks, and never raises because of the database."""
        entry = self._entries.get(session.id)
        if entry is None:
            entry = self._entries[session.id] = UnsavedSession(session.record(), session)
        else:
            entry.source, entry.changed, entry.dirty, entry.recovered = session, True, True, False
        ended = session.end_reason is not None
        if ended:
            entry.refresh()
            entry.source, entry.urgent = None, True
            self._drop_oldest_ended()
        if self._doubtful and (ended or _now() >= entry.spool_due):
            self._keep_in_spool([entry])
        if entry.urgent and not self._failures:
            self._wake.set()

    async def settle(self, focus_session_id: str) -> None:
        """Waits until that session's newest record is stored.

        Raises StoreUnavailable if the database does not take it. The writer still tries again later.
        """
        entry = self._entries.get(focus_session_id)
        if entry is None or not entry.dirty:
            return
        if self._task is None or self._task.done():
            raise StoreUnavailable("The server is shutting down and stores nothing more.")
        stored = asyncio.get_running_loop().create_future()
        entry.waiting.append(stored)
        entry.urgent = True
        if not self._failures:  # a database that is away is tried at its own pace, however many ask
            self._wake.set()
        await stored

    # -- the task

    async def _run(self) -> None:
        due = _now() + self._save_interval_s
        try:
            while not (self._closing and self._all_done()):
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(due):
                        await self._wake.wait()
                self._wake.clear()
                everything = self._closing or self._failures > 0 or _now() >= due
                wanted = [entry for entry in self._entries.values() if entry.dirty and (everything or entry.urgent)]
                batch = [entry for entry in wanted if not entry.refused]
                self._retry_refused([entry for entry in wanted if entry.refused])
                if not await self._flush(batch):
                    due = _now() + retry_delay_s(self._failures)
                elif everything:
                    due = max(due + self._save_interval_s, _now())  # the time that it takes is not added
                if any(entry.urgent for entry in batch if entry.dirty) and not self._failures:
                    self._wake.set()  # meanwhile a newer record came, or somebody waits
            if self._retrying is not None:
                await self._retrying
        finally:
            if self._retrying is not None:
                self._retrying.cancel()
                await asyncio.wait([self._retrying])

    def _all_done(self) -> bool:
        return not any(entry.dirty and not entry.refused for entry in self._entries.values())

    async def _flush(self, batch: Collection[UnsavedSession]) -> bool:
        """Writes the batch in as few transactions as possible. False if the database is away."""
        for entry in batch:
            entry.urgent = False
        if not batch and self._failures and not await self._rows.database_answers():
            return self._failed(batch, TimeoutError())
        # In the order in which days are locked, so that two servers rarely wait for each other in a circle.
        together = sorted(batch, key=lambda entry: entry.lock_order)
        alone: list[UnsavedSession] = []
        for start in range(0, len(together), _SESSIONS_IN_ONE_TRANSACTION):
            some = together[start : start + _SESSIONS_IN_ONE_TRANSACTION]
            error = await self._write(some)
            if error is not None:
                self._doubtful = True
                if not await self._rows.database_answers():
                    return self._failed(batch, error)
                # A record that the database refuses must not delay the others, so it is tried again after them.
                alone += some
        for entry, error in zip(alone, await self._write_each(alone), strict=True):
            if error is not None and not await self._rows.database_answers():
                return self._failed(batch, error)
            self._note_refusal(entry, error)
        if self._failures:
            logger.info("the database answers again", extra={"attempts": self._failures})
            self._failures = 0
        self._doubtful = False
        return True

    def _retry_refused(self, entries: Sequence[UnsavedSession]) -> None:
        """Runs at the same time as the other writes: each try of a locked row takes seconds."""
        if entries and not self._failures and (self._retrying is None or self._retrying.done()):
            self._retrying = asyncio.create_task(self._write_one_by_one(entries), name="focus-writer-refused")

    async def _write_one_by_one(self, entries: Sequence[UnsavedSession]) -> None:
        for entry in entries:
            entry.urgent = False
            self._note_refusal(entry, await self._write([entry]))
        if any(entry.urgent and entry.dirty for entry in entries):
            self._wake.set()

    async def _write_each(self, entries: Sequence[UnsavedSession]) -> list[Exception | None]:
        """Each in its own transaction, a few at once, so that one that waits for a lock does not delay the others."""
        at_once = asyncio.Semaphore(_WRITES_AT_ONCE)

        async def write(entry: UnsavedSession) -> Exception | None:
            async with at_once:
                return await self._write([entry])

        return await asyncio.gather(*map(write, entries))

    async def _write(self, entries: Sequence[UnsavedSession]) -> Exception | None:
        for entry in entries:
            entry.refresh()
        records = [entry.record for entry in entries]
        overdue = asyncio.get_running_loop().call_later(_OVERDUE_S, self._doubt)
        began = _now()
        try:
            written = await self._rows.write(entries)
        except Exception as error:  # for any error the stream goes on and the record is kept
            self.counts.writes_failed += 1
            for entry in entries:
                entry.stored = None  # unknown whether the commit arrived: read it next time
            self._keep_in_spool(entries)
            return error
        finally:
            overdue.cancel()
            self.counts.write_s.observe(_now() - began)
        for entry, record in zip(entries, records, strict=True):
            if record.focus_session_id in written.superseded:
                self._note_superseded(entry)
            else:
                self._note_stored(entry, record, written.stored.get(record.focus_session_id))
        return None

    def _doubt(self) -> None:
        """A write takes long: the database may hang. Until it answers, everything is kept in the spool as well."""
        self._doubtful = True
        self._keep_in_spool(self._entries.values())

    def _note_stored(self, entry: UnsavedSession, record: FocusRecord, stored: StoredState | None) -> None:
        entry.stored = stored
        entry.refused = False
        self._spooler.drop(record)
        if entry.changed or entry.record is not record:
            entry.urgent |= bool(entry.waiting)  # they wait for the newer one
            return
        entry.dirty = False
        entry.tell(None)
        if record.end_reason is not None or entry.recovered:
            self._entries.pop(record.focus_session_id, None)

    def _note_superseded(self, entry: UnsavedSession) -> None:
        """Another server has gone on with the session, or has closed it."""
        ended = entry.source is None
        if entry.source is not None:
            entry.source.supersede()
        if not entry.recovered and (ended or self._spooler.keeps(entry.record.focus_session_id)):
            # It was closed while this server could not reach the database. Unless somebody has gone on with it, what
            # was measured meanwhile is added.
            entry.refresh()
            entry.source, entry.recovered, entry.urgent = None, True, True
            self._wake.set()
            return
        self._entries.pop(entry.record.focus_session_id, None)
        self._spooler.drop(entry.record)
        entry.tell(None)

    def _note_refusal(self, entry: UnsavedSession, error: Exception | None) -> None:
        if error is not None and not entry.refused:
            logger.error(
                "the database refuses a session; it is tried again by itself",
                extra={"focus_session_id": entry.record.focus_session_id, "cause": root_cause(error)},
            )
        entry.refused = error is not None
        if error is not None:
            entry.urgent = False  # also those who began to wait meanwhile
            entry.tell(
                StoreUnavailable("The database refuses this session. It is kept and tried again; see the server's log.")
            )

    def _failed(self, batch: Collection[UnsavedSession], error: Exception) -> bool:
        self._failures += 1
        if self._failures == 1:
            logger.warning(
                "the database does not answer; what is measured is kept and written later",
                extra={"cause": root_cause(error)},
            )
        self._keep_in_spool(batch)
        asked = set(batch)
        for entry in self._entries.values():
            if entry.dirty and (entry in asked or entry.refused):
                entry.tell(
                    StoreUnavailable("The database does not answer. What was measured is kept and stored later.")
                )
        return False

    def _keep_in_spool(self, entries: Iterable[UnsavedSession]) -> None:
        for entry in entries:
            if entry.dirty:
                entry.refresh()
                self._spooler.keep(entry.record)
                entry.spool_due = _now() + self._save_interval_s

    def _drop_oldest_ended(self) -> None:
        if len(self._entries) <= self._ended_kept:
            return
        ended = [key for key, entry in self._entries.items() if entry.record.end_reason is not None]
        for focus_session_id in ended[: len(ended) - self._ended_kept]:
            entry = self._entries.pop(focus_session_id)
            self._spooler.drop(entry.record)
            self.counts.sessions_lost += 1
            entry.tell(StoreUnavailable("Too many sessions waited for the database: this one was dropped."))
            logger.error(
                "a session is lost: too many waited for the database", extra={"focus_session_id": focus_session_id}
            )


def _now() -> float:
    """Loop time, in seconds."""
    return asyncio.get_running_loop().time()

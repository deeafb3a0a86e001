"""Servers with the real writer, spooler and leases, on a database, a disk and a clock that do as a plan says."""

import asyncio
import contextvars
import errno
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, TypeVar

from rtc_server.learner import Learner
from rtc_server.record import FocusRecord
from rtc_server.store.leases import Leases
from rtc_server.store.platform.row_choice import RowPointer
from rtc_server.store.progress import progress
from rtc_server.store.sql import StoredState, Written
from rtc_server.store.unsaved_session import UnsavedSession
from rtc_server.store.writer import FocusWriter
from tests.simulation.database import Database
from tests.simulation.virtual_time import owner

T = TypeVar("T")

SAVE_INTERVAL_S = 0.5
WINDOW_S = 60.0
LATENCY_S = 0.003
DEADLINE_S = 15.0


class Outcome(Enum):
    """What becomes of one step on the database or the disk."""

    DONE = "done"
    FAILS = "fails"
    DONE_THEN_FAILS = "is done, and fails before the answer"
    HANGS = "hangs until the deadline"
    DONE_THEN_HANGS = "is done, and hangs until the deadline"
    DIES_BEFORE = "the server is killed before it"
    DIES_AFTER = "the server is killed after it"


class Dead(Exception):
    """The server is no more: nothing that it still does has an effect."""


class Plan:
    """What happens at which step, counted over all servers. All other steps are done."""

    def __init__(self, outcomes: dict[int, Outcome]) -> None:
        self._outcomes = outcomes
        self.steps = 0
        self.over = False
        """From now on everything works."""
        self.disk_failed = False

    def next(self) -> Outcome:
        self.steps += 1
        return Outcome.DONE if self.over else self._outcomes.get(self.steps - 1, Outcome.DONE)


class Disk:
    """Implements what the spooler needs of a spool. It survives its server."""

    def __init__(self, plan: Plan) -> None:
        self.waiting: dict[str, FocusRecord] = {}
        self.server: Server | None = None
        self._plan = plan

    def recover(self) -> list[FocusRecord]:
        return list(self.waiting.values())

    def write(self, record: FocusRecord) -> None:
        def effect() -> None:
            old = self.waiting.get(record.focus_session_id)
            if old is None or progress(old) <= progress(record):
                self.waiting[record.focus_session_id] = record

        self._step(effect)

    def remove(self, record: FocusRecord) -> None:
        def effect() -> None:
            old = self.waiting.get(record.focus_session_id)
            if old is not None and progress(old) <= progress(record):
                del self.waiting[record.focus_session_id]

        self._step(effect)

    def close(self) -> None:
        pass

    def _step(self, effect: Callable[[], None]) -> None:
        server = self.server
        assert server is not None
        if server.dead:
            raise OSError(errno.EIO, "dead")
        outcome = self._plan.next()
        if outcome in (Outcome.FAILS, Outcome.HANGS):
            self._plan.disk_failed = True
            raise OSError(errno.ENOSPC, "full")
        if outcome is Outcome.DIES_BEFORE:
            server.kill()
            raise OSError(errno.EIO, "dead")
        effect()
        if outcome is Outcome.DIES_AFTER:
            server.kill()


class Server:
    """One run of a server, from its start to its end."""

    def __init__(self, database: Database, plan: Plan, disk: Disk) -> None:
        self.dead = False
        self.died_at = 0.0
        self.draining = False
        self.runs = asyncio.Event()
        """Cleared while the process stands still."""
        self.runs.set()
        self._database, self._plan = database, plan
        self._tasks: set[asyncio.Task[Any]] = set()
        disk.server = self
        rows: Any = Rows(self, database, plan)
        spool: Any = disk
        self.writer = FocusWriter(rows, spool, SAVE_INTERVAL_S)
        self.leases = Leases(rows, self.writer, WINDOW_S)

    @property
    def takes_learners(self) -> bool:
        return self.runs.is_set() and not (self.dead or self.draining)

    async def start(self) -> None:
        await self._inside(self._start())

    async def claim(self, focus_session_id: str, learner: Learner) -> FocusRecord | None:
        return await self._inside(self.leases.claim(focus_session_id, learner))

    async def stop(self) -> None:
        """In good order."""
        await self._inside(self._stop())

    def kill(self) -> None:
        if not self.dead:
            self.dead, self.died_at = True, asyncio.get_running_loop().time()
            for task in self._tasks:
                task.cancel()

    async def _start(self) -> None:
        await self.writer.start()
        await self.leases.start()

    async def _stop(self) -> None:
        await self.writer.close()
        await self.leases.close()

    async def _inside(self, coroutine: Any) -> Any:
        """What it starts dies with this server."""
        context = contextvars.copy_context()
        context.run(owner.set, self._tasks)
        task = asyncio.get_running_loop().create_task(coroutine, context=context)
        self._tasks.add(task)
        await asyncio.wait([task])
        return None if task.cancelled() or self.dead else task.result()


class Rows:
    """Implements `SessionRows` and `OwnershipRows`: each a step of the plan."""

    def __init__(self, server: Server, database: Database, plan: Plan) -> None:
        self._server, self._database, self._plan = server, database, plan

    async def write(self, entries: Sequence[UnsavedSession]) -> Written:
        records = [entry.record for entry in entries]
        spooled = {entry.record.focus_session_id for entry in entries if entry.recovered}
        written, superseded = await self._step(lambda: self._database.write(records, spooled))
        state = StoredState(RowPointer(1, None), (), ())
        return Written(dict.fromkeys(written, state), superseded)

    async def database_answers(self) -> bool:
        try:
            await self._step(lambda: None)
        except (ConnectionError, TimeoutError):
            return False
        return True

    async def renew_lease(self, server_id: str, lease_s: float) -> None:
        await self._step(lambda: self._database.renew(server_id, self._now(), lease_s))

    async def give_up_lease(self, server_id: str) -> None:
        await self._step(lambda: self._database.leases.pop(server_id, None))

    async def close_orphans(self) -> int:
        return await self._step(lambda: self._database.close_orphans(self._now()))

    async def claim(self, key: str, learner: Learner, server_id: str, window_s: float) -> FocusRecord | None:
        return await self._step(lambda: self._database.claim(key, learner, server_id, self._now(), window_s))

    async def release(self, key: str, learner: Learner, server_id: str) -> None:
        await self._step(lambda: self._database.release(key, learner, server_id))

    async def fence_of(self, key: str) -> int | None:
        stored = await self._step(lambda: self._database.progress(key))
        return None if stored is None else stored.fence

    async def seconds_ahead(self, _learner: Learner) -> float:
        return 0.0

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    async def _step(self, effect: Callable[[], T]) -> T:
        outcome = self._plan.next()
        await asyncio.sleep(LATENCY_S)
        await self._server.runs.wait()
        if outcome is Outcome.DIES_BEFORE:
            self._server.kill()
        if self._server.dead:
            raise Dead
        if self._database.down or outcome is Outcome.FAILS:
            raise ConnectionError("the database is away")
        if outcome is Outcome.HANGS:
            await asyncio.sleep(DEADLINE_S)
            raise TimeoutError
        result = effect()
        if outcome is Outcome.DIES_AFTER:
            self._server.kill()
            raise Dead
        if outcome is Outcome.DONE_THEN_FAILS:
            raise ConnectionError("the connection was lost before the answer")
        if outcome is Outcome.DONE_THEN_HANGS:
            await asyncio.sleep(DEADLINE_S)
            raise TimeoutError
        return result

"""Keeps this server's lease, looks for sessions of dead servers, and takes over those whose learners come here."""

import asyncio
import logging
import uuid
from collections.abc import Collection
from contextlib import suppress
from typing import Protocol

from rtc_server.learner import Learner
from rtc_server.record import FocusRecord
from rtc_server.store.why_unavailable import root_cause

logger = logging.getLogger(__name__)

LEASE_S = 10.0
"""A server that has not renewed its lease for so long is taken for dead. A database that fails over takes less."""
RENEW_EVERY_S = 1.0
LOOK_EVERY_S = 2.0
"""For sessions of dead servers. They are closed 10 to 12 s after the death, or so long after the start of the next
server where there is no other."""
CLAIM_WITHIN_S = 1.5
"""A learner waits for it. After that they begin a new session."""
_WITHIN_S = 3.0
"""For each other transaction."""


class Saves(Protocol):
    async def settle(self, focus_session_id: str) -> None:
        """Returns once the newest record of that session is stored. Raises StoreUnavailable."""
        ...


class OwnershipRows(Protocol):
    """Each is one transaction within its deadline, and raises whatever the database does."""

    async def renew_lease(self, server_id: str, lease_s: float) -> None: ...
    async def give_up_lease(self, server_id: str) -> None: ...
    async def close_orphans(self) -> int:
        """Returns how many. There may be more."""
        ...

    async def claim(
        self, focus_session_id: str, learner: Learner, server_id: str, window_s: float
    ) -> FocusRecord | None: ...
    async def release(self, focus_session_id: str, learner: Learner, server_id: str) -> None: ...
    async def fence_of(self, focus_session_id: str) -> int | None: ...
    async def seconds_ahead(self, learner: Learner) -> float: ...


class Leases:
    """Implements the registry's `Ownership`. Use it from the event loop."""

    def __init__(self, rows: OwnershipRows, saves: Saves, window_s: float, *, lease_s: float = LEASE_S) -> None:
        """window_s: how long after its last known second a session of another server may go on."""
        self.server_id = str(uuid.uuid4())
        self._rows = rows
        self._saves = saves
        self._window_s = window_s
        self._lease_s = lease_s
        self._held_since: float | None = None
        """Loop time since when the lease was always renewed in time; None if it was not the last time."""
        self._renewed = 0.0
        self._doubtful: dict[str, Learner] = {}
        """Sessions that may have been taken over, for learners who have a new one now."""
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def held(self) -> bool:
        """The database knows that this server lives."""
        return self._held_since is not None and _now() - self._renewed < self._lease_s

    async def start(self) -> None:
        await self._renew()
        self._task = asyncio.create_task(self._run(), name="leases")

    async def close(self) -> None:
        """Call it after the last save: who is gone in good order needs no lease."""
        if self._task is None:
            return
        self._closing.set()  # not cancelled: a connection that is broken off in mid-statement is lost to its pool
        done, _ = await asyncio.wait([self._task], timeout=_WITHIN_S + CLAIM_WITHIN_S)
        if not done:
            self._task.cancel()
        self._task = None
        try:
            async with asyncio.timeout(CLAIM_WITHIN_S):
                await self._rows.give_up_lease(self.server_id)
        except Exception:  # it runs out by itself
            logger.debug("the lease was not given up", exc_info=True)

    async def claim(self, focus_session_id: str, learner: Learner) -> FocusRecord | None:
        """Takes over a session from another server, or from an earlier run of this one. Raises nothing.

        None if it may not go on, or the database does not answer in time.
        """
        try:
            async with asyncio.timeout(CLAIM_WITHIN_S):
                await self._saves.settle(focus_session_id)  # it may have been left in the spool
                record = await self._rows.claim(focus_session_id, learner, self.server_id, self._window_s)
        except Exception as error:
            logger.warning(
                "a session could not go on, so the learner has a new one", extra={"cause": root_cause(error)}
            )
            self._doubtful[focus_session_id] = learner
            return None
        self._doubtful.pop(focus_session_id, None)
        return record

    async def has_moved(self, focus_session_id: str, fence: int) -> bool:
        """Another server has taken this session over since. False if the database does not answer in time."""
        try:
            async with asyncio.timeout(CLAIM_WITHIN_S):
                return (await self._rows.fence_of(focus_session_id) or 0) > fence
        except Exception:  # the writer says that the database does not answer
            return False

    async def seconds_ahead(self, learner: Learner) -> float:
        """By how much this learner's sessions are ahead of real time; 0 if the database does not answer in time."""
        try:
            async with asyncio.timeout(CLAIM_WITHIN_S):
                return await self._rows.seconds_ahead(learner)
        except Exception:  # the writer says that the database does not answer
            return 0.0

    async def settle(self, focus_session_ids: Collection[str]) -> None:
        """Waits until what these sessions hold is stored, or CLAIM_WITHIN_S. Raises nothing."""
        saves = (self._saves.settle(focus_session_id) for focus_session_id in focus_session_ids)
        with suppress(TimeoutError):
            async with asyncio.timeout(CLAIM_WITHIN_S):
                await asyncio.gather(*saves, return_exceptions=True)  # the writer says what is not stored

    async def _run(self) -> None:
        looked = _now()
        while not self._closing.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), RENEW_EVERY_S)
            await self._renew()
            if _now() - looked >= LOOK_EVERY_S:
                looked = _now()
                await self._close_orphans()
                await self._release_doubtful()

    async def _renew(self) -> None:
        try:
            async with asyncio.timeout(_WITHIN_S):
                await self._rows.renew_lease(self.server_id, self._lease_s)
        except Exception:  # the writer says that the database does not answer
            self._held_since = None
            return
        now = _now()
        if self._held_since is None or now - self._renewed > self._lease_s:
            self._held_since = now
        self._renewed = now

    async def _close_orphans(self) -> None:
        # After an outage, or when this server stood still, the others had no chance to renew theirs.
        if self._held_since is None or _now() - self._held_since < self._lease_s:
            return
        try:
            async with asyncio.timeout(_WITHIN_S):
                while closed := await self._rows.close_orphans():
                    logger.info("closed sessions of a server that is gone", extra={"sessions": closed})
        except Exception as error:
            logger.warning("sessions of dead servers were not closed", extra={"cause": root_cause(error)})

    async def _release_doubtful(self) -> None:
        with suppress(Exception):  # the next time
            async with asyncio.timeout(_WITHIN_S):
                for focus_session_id, learner in tuple(self._doubtful.items()):
                    await self._rows.release(focus_session_id, learner, self.server_id)
                    self._doubtful.pop(focus_session_id, None)


def _now() -> float:
    """Loop time, in seconds."""
    return asyncio.get_running_loop().time()

"""One stored session, for those who may read it: what `/focus-sessions/{id}` and `/api/v1/sessions/{id}` share."""

import asyncio
from contextlib import suppress
from typing import Protocol
from uuid import UUID

from aiohttp import web

from rtc_server.errors import FocusSessionUnknown, GroupTooSmall, NotAllowed, StoreUnavailable
from rtc_server.learner import Grant, Learner
from rtc_server.store.stored_session import StoredSession
from rtc_server.web.access.read_access import ReadAccess

SAVED_WITHIN_S = 2.0
"""A save takes milliseconds. What takes longer is answered as it was before."""
SPANS_IN_ONE_ANSWER = 500
"""Spans in one answer. Reading and writing these takes a few ms of the event loop. Few sessions have more."""


class StoredSessions(Protocol):
    async def stored_session(self, focus_session_id: str, *, spans_after: int, max_spans: int) -> StoredSession | None:
        """None if there is no such FocusSession. Raises StoreUnavailable."""
        ...


class Saves(Protocol):
    async def settle(self, focus_session_id: str) -> None:
        """Returns once the newest record of that session is stored. Raises StoreUnavailable."""
        ...


class ServersElsewhere(Protocol):
    async def settle(self, server_id: str, focus_session_id: str) -> None:
        """Returns once that server has stored the session as it is now, or cannot be reached. Raises nothing."""
        ...


class SpansAfter(Protocol):
    def __call__(self, request: web.Request) -> int:
        """Number of the span after which the answer begins; -1 for the first. Raises MalformedRequest."""
        ...


class StoredSessionReading:
    def __init__(
        self,
        reads: ReadAccess,
        stored_sessions: StoredSessions,
        saves: Saves,
        others: ServersElsewhere | None = None,
        *,
        min_group: int,
    ) -> None:
        """others: the other servers of the fleet, where there are some."""
        self._others = others
        self._reads = reads
        self._stored_sessions = stored_sessions
        self._saves = saves
        self._min_group = min_group

    async def read(self, request: web.Request, spans_after: SpansAfter) -> StoredSession:
        """The session that the address names.

        Raises FocusSessionUnknown, NotAllowed, GroupTooSmall, MalformedRequest and the errors of ReadAccess.admitted.
        """
        async with self._reads.admitted(request) as grant:
            focus_session_id = _identifier(request.match_info["focus_session_id"])
            after = spans_after(request)
            require_single_learners(grant, self._min_group)
            # Who has just stopped asks at once. What cannot be saved now is answered as it was before.
            with suppress(StoreUnavailable, TimeoutError):
                async with asyncio.timeout(SAVED_WITHIN_S):
                    await self._saves.settle(focus_session_id)
            stored = await self._stored(focus_session_id, after)
            if stored is not None and await self._settled_elsewhere(stored):
                stored = await self._stored(focus_session_id, after)
        if stored is None:
            raise FocusSessionUnknown("There is no such focus session.")
        if not _may_read(grant, stored.record.learner):
            raise NotAllowed("This focus session belongs to another learner.")
        return stored

    async def _settled_elsewhere(self, stored: StoredSession) -> bool:
        """Whether it may have changed since it was read: another server has it live, and was asked to store it."""
        record = stored.record
        if self._others is None or record.end_reason is not None or record.server_id is None:
            return False
        with suppress(TimeoutError):
            async with asyncio.timeout(SAVED_WITHIN_S):
                await self._others.settle(record.server_id, record.focus_session_id)
        return True

    async def _stored(self, focus_session_id: str, spans_after: int) -> StoredSession | None:
        return await self._stored_sessions.stored_session(
            focus_session_id, spans_after=spans_after, max_spans=SPANS_IN_ONE_ANSWER
        )


def require_single_learners(grant: Grant, min_group: int) -> None:
    """Raises GroupTooSmall for a teacher where only sums are shown."""
    if grant.role == "teacher" and min_group > 0:
        raise GroupTooSmall(f"Teachers see sums only here, of {min_group} learners or more.")


def _may_read(grant: Grant, learner: Learner) -> bool:
    """A learner may read their own sessions in the token's modules; a teacher may read all sessions of these."""
    return learner.module_id in grant.readable_modules and (
        grant.role == "teacher" or grant.learner.user_id == learner.user_id
    )


def _identifier(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise FocusSessionUnknown("There is no such focus session.") from None

"""GET /focus-sessions/{id}: what is stored of a FocusSession, for its learner or the module's teacher."""

import asyncio
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from typing import Protocol
from uuid import UUID

from aiohttp import web

from rtc_server.errors import FocusSessionUnknown, MalformedRequest, NotAllowed, StoreUnavailable
from rtc_server.learner import Grant, Learner
from rtc_server.store.stored_session import PlatformRow, StoredSession
from rtc_server.web.access.read_access import ReadAccess
from rtc_server.web.server.requests import answer_options

_LONGEST_NUMBER = 9
"""Digits: more than a session can have spans, and within a column."""
SAVED_WITHIN_S = 2.0
"""A save takes milliseconds. What takes longer is answered as it was before."""
SPANS_IN_ONE_ANSWER = 500
"""Reading and writing out so many takes a few ms of the event loop. Few sessions have more."""


class StoredSessions(Protocol):
    async def stored_session(self, focus_session_id: str, *, spans_after: int, max_spans: int) -> StoredSession | None:
        """None where there is no such FocusSession. Raises StoreUnavailable."""
        ...


class Saves(Protocol):
    async def settle(self, focus_session_id: str) -> None:
        """Returns once the newest record of that session is stored. Raises StoreUnavailable."""
        ...


class FocusSessionsEndpoint:
    def __init__(self, reads: ReadAccess, stored_sessions: StoredSessions, saves: Saves) -> None:
        self._reads = reads
        self._stored_sessions = stored_sessions
        self._saves = saves

    def routes(self) -> list[web.RouteDef]:
        path = "/focus-sessions/{focus_session_id}"
        return [web.get(path, self._read), web.options(path, answer_options("GET", "HEAD"))]

    async def _read(self, request: web.Request) -> web.Response:
        async with self._reads.admitted(request) as grant:
            focus_session_id = _identifier(request.match_info["focus_session_id"])
            after = _spans_after(request.query.get("spans_after"))
            # Who has just stopped asks at once. What cannot be saved now is answered as it was before.
            with suppress(StoreUnavailable, TimeoutError):
                async with asyncio.timeout(SAVED_WITHIN_S):
                    await self._saves.settle(focus_session_id)
            stored = await self._stored_sessions.stored_session(
                focus_session_id, spans_after=after, max_spans=SPANS_IN_ONE_ANSWER
            )
        if stored is None:
            raise FocusSessionUnknown("There is no such focus session.")
        if not _may_read(grant, stored.record.learner):
            raise NotAllowed("This focus session belongs to another learner.")
        answer = _described(stored)
        answer["next"] = None
        if stored.spans_go_on:
            # Relative to this address, which a proxy may have changed.
            answer["next"] = f"?spans_after={after + len(stored.record.spans)}"
        return web.json_response(answer)


def _identifier(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise FocusSessionUnknown("There is no such focus session.") from None


def _spans_after(text: str | None) -> int:
    """The number of the span, counted from 0, after which the answer begins."""
    if text is None:
        return -1
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER):
        raise MalformedRequest("spans_after is the number of a span: follow `next` as it is given.")
    return int(text)


def _may_read(grant: Grant, learner: Learner) -> bool:
    """A learner reads what is their own; a teacher whatever belongs to the module."""
    if grant.role == "teacher":
        return grant.learner.module_id == learner.module_id
    return grant.learner == learner


def _described(stored: StoredSession) -> dict[str, object]:
    """`row` has the names of the platform's columns; spans are seconds since the session began.

    `merged_spans` counts those that were merged into a neighbour, because there were too many.
    """
    record = stored.record
    return {
        "focus_session_id": record.focus_session_id,
        "started_at": record.started_at.isoformat(),
        "recorded_at": record.recorded_at.isoformat(),
        "ended_at": stored.ended_at.isoformat() if stored.ended_at is not None else None,
        "end_reason": record.end_reason,
        "policy": record.policy,
        "calibration_error_deg": record.calibration_error_deg,
        "calibration_quality": record.calibration_quality,
        "metrics": record.totals.metrics(),
        "spans": [
            {"start_s": span.start_s, "end_s": span.end_s, "state": span.state, "reason": span.reason}
            for span in record.spans
        ],
        "merged_spans": record.merged_spans,
        "multiple_faces": [{"start_s": start_s, "end_s": end_s} for start_s, end_s in record.multiple_faces],
        "row": _row(stored.row) if stored.row is not None else None,
    }


def _row(row: PlatformRow) -> dict[str, object]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(row).items()}

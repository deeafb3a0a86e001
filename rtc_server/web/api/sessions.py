"""GET /api/v1/sessions: sessions of a learner or of a teacher's modules, page by page."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from aiohttp import web

from rtc_server.learner import Grant
from rtc_server.store.reads.terms import Cursor, PlatformCursor, Scope, SessionCursor, SessionSummary
from rtc_server.web.access.read_access import ReadAccess
from rtc_server.web.api.openapi import Operation
from rtc_server.web.api.reading import answer_with, query_of, scope_of
from rtc_server.web.api.schemas import Session, SessionFilter, Sessions, SessionsQuery
from rtc_server.web.server.requests import answer_options
from rtc_server.web.stored_sessions import require_single_learners

PATH = "/api/v1/sessions"
OPERATION = Operation(
    "listSessions",
    "Sessions, newest first; then the rows that only the platform wrote. Go on until `next` is null.",
    "get",
    PATH,
    query=SessionsQuery,
    answer=Sessions,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SessionPages(Protocol):
    async def sessions(
        self, scope: Scope, limit: int, after: Cursor | None
    ) -> tuple[list[SessionSummary], Cursor | None]:
        """Raises StoreUnavailable."""
        ...


class SessionsEndpoint:
    def __init__(self, reads: ReadAccess, pages: SessionPages, *, min_group: int) -> None:
        self._reads = reads
        self._pages = pages
        self._min_group = min_group

    def routes(self) -> list[web.RouteDef]:
        return [web.get(PATH, self._list), web.options(PATH, answer_options("GET", "HEAD"))]

    async def _list(self, request: web.Request) -> web.Response:
        async with self._reads.admitted(request) as grant:
            query = query_of(request, SessionsQuery)
            scope = session_scope(grant, query, self._min_group)
            found, following = await self._pages.sessions(scope, query.limit, _cursor(query.cursor))
        sessions = [Session.model_validate(one) for one in found]
        return answer_with(request, Sessions(sessions=sessions, next=_written(following)))


def session_scope(grant: Grant, query: SessionFilter, min_group: int) -> Scope:
    """Raises NotAllowed, GroupTooSmall."""
    scope = scope_of(grant, query)
    require_single_learners(grant, min_group)
    live = None if query.state is None else query.state == "live"
    return replace(scope, section_id=query.section_id, live=live)


def _written(cursor: Cursor | None) -> str | None:
    if cursor is None:
        return None
    if isinstance(cursor, PlatformCursor):
        return f"p{cursor.row_id if cursor.row_id is not None else ''}"
    return f"s{(cursor.started_at - _EPOCH) // timedelta(microseconds=1)}_{cursor.focus_session_id}"


def _cursor(text: str | None) -> Cursor | None:
    """text: of the form that SessionsQuery allows."""
    if text is None:
        return None
    if text.startswith("p"):
        return PlatformCursor(int(text[1:]) if text[1:] else None)
    microseconds, _, focus_session_id = text[1:].partition("_")
    return SessionCursor(_EPOCH + timedelta(microseconds=int(microseconds)), focus_session_id)

"""GET /api/v1/sessions: sessions of a learner or of a teacher's modules, page by page."""

from dataclasses import replace
from typing import Protocol

from aiohttp import web

from rtc_server.learner import Grant
from rtc_server.store.reads.terms import Scope
from rtc_server.web.access.read_access import ReadAccess
from rtc_server.web.api.openapi import Operation
from rtc_server.web.api.query import answer_json, query_of, scope_of
from rtc_server.web.api.schemas import SessionFilter, Sessions, SessionsQuery
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


class SessionPages(Protocol):
    async def sessions(self, scope: Scope, limit: int, cursor: str | None) -> bytes:
        """JSON. Raises StoreUnavailable."""
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
            page = await self._pages.sessions(scope, query.limit, query.cursor)
        return answer_json(request, page)


def session_scope(grant: Grant, query: SessionFilter, min_group: int) -> Scope:
    """Raises NotAllowed, GroupTooSmall."""
    scope = scope_of(grant, query)
    require_single_learners(grant, min_group)
    live = None if query.state is None else query.state == "live"
    return replace(scope, section_id=query.section_id, live=live)

"""GET /api/v1/sums: times summed by module, section, day or learner."""

from typing import Protocol

from aiohttp import web

from rtc_server.store.reads.terms import By, Scope
from rtc_server.web.access.read_access import ReadAccess
from rtc_server.web.api.openapi import Operation
from rtc_server.web.api.query import answer_json, query_of, scope_of
from rtc_server.web.api.schemas import Sums, SumsQuery
from rtc_server.web.server.requests import answer_options
from rtc_server.web.stored_sessions import require_single_learners

PATH = "/api/v1/sums"
OPERATION = Operation(
    "sumSessions",
    "Times summed by module, section, day (newest first) or learner, with rows that only the platform wrote.",
    "get",
    PATH,
    query=SumsQuery,
    answer=Sums,
)


class StoredSums(Protocol):
    async def sums(self, scope: Scope, by: By, limit: int, cursor: str | None, min_learners: int) -> bytes:
        """JSON. Raises StoreUnavailable."""
        ...


class SumsEndpoint:
    def __init__(self, reads: ReadAccess, sums: StoredSums, *, min_group: int) -> None:
        self._reads = reads
        self._sums = sums
        self._min_group = min_group

    def routes(self) -> list[web.RouteDef]:
        return [web.get(PATH, self._read), web.options(PATH, answer_options("GET", "HEAD"))]

    async def _read(self, request: web.Request) -> web.Response:
        async with self._reads.admitted(request) as grant:
            query = query_of(request, SumsQuery)
            scope = scope_of(grant, query)
            if query.by == "learner" or query.user_id is not None:
                require_single_learners(grant, self._min_group)
            least = self._min_group if grant.role == "teacher" else 0
            page = await self._sums.sums(scope, query.by, query.limit, query.cursor, least)
        return answer_json(request, page)

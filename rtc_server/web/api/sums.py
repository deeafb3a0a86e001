"""GET /api/v1/sums: times summed by module, section, day or learner."""

from datetime import date
from typing import Any, Protocol

from aiohttp import web

from rtc_server.learner import Grant
from rtc_server.store.reads import terms as stored
from rtc_server.store.reads.terms import Scope
from rtc_server.web.access.read_access import ReadAccess
from rtc_server.web.api.openapi import Operation
from rtc_server.web.api.reading import answer_with, query_of, scope_of
from rtc_server.web.api.schemas import Sum, Sums, SumsQuery
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
    async def sums(
        self, scope: Scope, by: stored.By, limit: int, after: tuple[Any, ...] | None, *, min_learners: int
    ) -> list[stored.Sum]:
        """Raises StoreUnavailable."""
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
            found = await self._sums.sums(
                scope,
                query.by,
                query.limit + 1,
                _key(query.by, query.cursor),
                min_learners=_least(grant, self._min_group),
            )
        page = found[: query.limit]
        following = _written(query.by, page[-1]) if len(found) > query.limit else None
        return answer_with(request, Sums(sums=[_described(one) for one in page], next=following))


def _least(grant: Grant, min_group: int) -> int:
    return min_group if grant.role == "teacher" else 0


def _described(one: stored.Sum) -> Sum:
    known_s = one.focused_s + one.unfocused_s
    return Sum(
        module_id=one.module_id,
        section_id=one.section_id,
        day=one.day,
        user_id=one.user_id,
        display_name=one.display_name,
        learners=one.learners,
        sessions=one.sessions,
        focused_s=one.focused_s,
        unfocused_s=one.unfocused_s,
        unknown_s=one.unknown_s,
        share=one.focused_s / known_s if known_s > 0 else None,
    )


def _written(by: stored.By, last: stored.Sum) -> str:
    """The key as numbers; a day as its number since 0001-01-01."""
    key = (getattr(last, name) for name in stored.KEYS[by])
    return ".".join(str(part.toordinal() if isinstance(part, date) else part) for part in key)


def _key(by: stored.By, cursor: str | None) -> tuple[Any, ...] | None:
    """cursor: of the form that SumsQuery allows."""
    if cursor is None:
        return None
    first, _, second = cursor.partition(".")
    if by == "day":
        return (date.fromordinal(min(max(int(first), 1), date.max.toordinal())),)
    return (int(first), int(second or 0)) if by == "section" else (int(first),)

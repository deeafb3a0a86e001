"""GET /api/v1/sessions.csv and .ndjson: all sessions that match, streamed.

They are read in pages, as the list is, and each is sent before the next is read: memory stays flat, and a client that
reads slowly holds no connection to the database, as a cursor of the database's would. Learners come first: pages are
small, and while there are learners the export rests after each one.
"""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from rtc_server.errors import RateLimited, RtcServerError
from rtc_server.store.reads.terms import Cursor, Scope, SessionSummary
from rtc_server.web.access.read_access import ReadAccess
from rtc_server.web.api.openapi import Operation
from rtc_server.web.api.reading import query_of
from rtc_server.web.api.schemas import Session, SessionFilter
from rtc_server.web.api.sessions import SessionPages, session_scope
from rtc_server.web.server.requests import answer_options
from rtc_server.web.server.streams import begin_stream

EXPORTS_AT_ONCE = 2
"""Of the whole server: each keeps the database and the event loop busy for as long as it lasts."""
ROWS_ALONE, ROWS_BESIDE_LEARNERS = 100, 15
"""Of a page: 15 take a few milliseconds of the event loop."""
RESTS = 9
"""Times as long as a page took, while there are learners."""
RETRY_AFTER_S = 10.0
COLUMNS = tuple(Session.model_fields)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that begins so for a formula."""


@dataclass(frozen=True, slots=True)
class _Format:
    path: str
    name: str
    media_type: str
    write: Callable[[Sequence[SessionSummary]], bytes]
    head: bytes = b""

    @property
    def operation(self) -> Operation:
        summary = "All sessions that match, module by module, newest first."
        media_type = self.media_type.partition(";")[0]
        return Operation(self.name, summary, "get", self.path, query=SessionFilter, media_type=media_type)


def _csv(sessions: Sequence[SessionSummary]) -> bytes:
    return _csv_lines([_cells(one) for one in sessions])


def _cells(one: SessionSummary) -> list[object]:
    session = Session.model_validate(one).model_dump(mode="json")
    name = session["display_name"]
    if name is not None and name.startswith(_FORMULA):
        session["display_name"] = f"'{name}"
    return [session[column] for column in COLUMNS]


def _csv_lines(lines: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    return text.getvalue().encode()


def _ndjson(sessions: Sequence[SessionSummary]) -> bytes:
    return b"".join(Session.model_validate(one).model_dump_json().encode() + b"\n" for one in sessions)


_FORMATS = (
    _Format("/api/v1/sessions.csv", "exportCsv", "text/csv; charset=utf-8", _csv, _csv_lines([COLUMNS])),
    _Format("/api/v1/sessions.ndjson", "exportNdjson", "application/x-ndjson", _ndjson),
)
OPERATIONS = tuple(one.operation for one in _FORMATS)


class ExportsEndpoint:
    def __init__(
        self, reads: ReadAccess, pages: SessionPages, *, min_group: int, learners_here: Callable[[], int]
    ) -> None:
        self._reads = reads
        self._pages = pages
        self._min_group = min_group
        self._learners_here = learners_here
        self._running = 0

    def routes(self) -> list[web.RouteDef]:
        routes = []
        for one in _FORMATS:
            routes += [web.get(one.path, self._handler(one)), web.options(one.path, answer_options("GET", "HEAD"))]
        return routes

    def _handler(self, asked: _Format) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def export(request: web.Request) -> web.StreamResponse:
            async with self._reads.admitted(request) as grant:
                scope = session_scope(grant, query_of(request, SessionFilter), self._min_group)
                if self._running >= EXPORTS_AT_ONCE:
                    raise RateLimited("Others are exporting. Try again later.", RETRY_AFTER_S)
                self._running += 1
                try:
                    all_pages = self._all_pages(scope)
                    first = await anext(all_pages)
                except BaseException:
                    self._running -= 1
                    raise
            try:
                return await self._send(request, asked, first, all_pages)
            finally:
                self._running -= 1

        return export

    async def _all_pages(self, scope: Scope) -> AsyncIterator[list[SessionSummary]]:
        """At least one, which may be empty."""
        for module_id in sorted(scope.modules):
            after: Cursor | None = None
            while True:
                rows = ROWS_BESIDE_LEARNERS if self._learners_here() else ROWS_ALONE
                page, after = await self._pages.sessions(scope.of_module(module_id), rows, after)
                yield page
                if after is None:
                    break

    async def _send(
        self,
        request: web.Request,
        asked: _Format,
        first: list[SessionSummary],
        following: AsyncIterator[list[SessionSummary]],
    ) -> web.StreamResponse:
        name = asked.path.rpartition("/")[2]
        headers = {"Content-Type": asked.media_type, "Content-Disposition": f'attachment; filename="{name}"'}
        response = web.StreamResponse(headers=headers)
        await begin_stream(request, response)
        if request.method == "HEAD":
            return response
        try:
            await response.write(asked.head + asked.write(first))
            now = asyncio.get_running_loop().time
            began = now()
            async for page in following:
                content = asked.write(page)
                rest_s = RESTS * (now() - began) if self._learners_here() else 0.0
                await response.write(content)
                await asyncio.sleep(rest_s)
                began = now()
            await response.write_eof()
        except RtcServerError:
            # The status was 200. Breaking off is the only way to say that something is missing.
            if request.transport is not None:
                request.transport.abort()
        except ConnectionError:
            pass  # the client has gone
        return response

"""GET /api/v1/sessions.csv and .ndjson: all sessions that match, streamed.

They are read in pages, as the list is, and each is sent before the next is read: memory stays flat, and a client that
reads slowly holds no connection to the database, as a cursor of the database's would.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from rtc_server.errors import RateLimited, RtcServerError
from rtc_server.store.reads.terms import Cursor, Scope
from rtc_server.web.access.read_access import ReadAccess
from rtc_server.web.api.answers import COLUMNS, ExportForm, csv_lines
from rtc_server.web.api.openapi import Operation
from rtc_server.web.api.query import query_of
from rtc_server.web.api.schemas import SessionFilter
from rtc_server.web.api.sessions import session_scope
from rtc_server.web.server.requests import answer_options
from rtc_server.web.server.streams import begin_stream

EXPORTS_AT_ONCE = 2
"""Of the whole server: each keeps the database busy for as long as it lasts."""
ROWS_IN_A_PAGE = 50
"""Reads of others wait for a page at most: 50 take ten milliseconds."""
RETRY_AFTER_S = 10.0


class ExportPages(Protocol):
    async def export_page(
        self, form: ExportForm, scope: Scope, limit: int, after: Cursor | None
    ) -> tuple[bytes, Cursor | None]:
        """Lines, and where the next ones begin. Raises StoreUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class _Export:
    form: ExportForm
    name: str
    media_type: str
    head: bytes = b""

    @property
    def path(self) -> str:
        return f"/api/v1/{self.file_name}"

    @property
    def file_name(self) -> str:
        return f"sessions.{self.form}"

    @property
    def operation(self) -> Operation:
        summary = "All sessions that match, module by module, newest first."
        media_type = self.media_type.partition(";")[0]
        return Operation(self.name, summary, "get", self.path, query=SessionFilter, media_type=media_type)


_EXPORTS = (
    _Export("csv", "exportCsv", "text/csv; charset=utf-8", csv_lines([COLUMNS])),
    _Export("ndjson", "exportNdjson", "application/x-ndjson"),
)
OPERATIONS = tuple(one.operation for one in _EXPORTS)


class ExportsEndpoint:
    def __init__(self, reads: ReadAccess, pages: ExportPages, *, min_group: int) -> None:
        self._reads = reads
        self._pages = pages
        self._min_group = min_group
        self._running = 0

    def routes(self) -> list[web.RouteDef]:
        routes = []
        for one in _EXPORTS:
            routes += [web.get(one.path, self._handler(one)), web.options(one.path, answer_options("GET", "HEAD"))]
        return routes

    def _handler(self, asked: _Export) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def export(request: web.Request) -> web.StreamResponse:
            async with self._reads.admitted(request) as grant:
                scope = session_scope(grant, query_of(request, SessionFilter), self._min_group)
                if self._running >= EXPORTS_AT_ONCE:
                    raise RateLimited("Others are exporting. Try again later.", RETRY_AFTER_S)
                self._running += 1
                try:
                    all_pages = self._all_pages(asked.form, scope)
                    first = await anext(all_pages)
                except BaseException:
                    self._running -= 1
                    raise
            try:
                return await _send(request, asked, first, all_pages)
            finally:
                self._running -= 1

        return export

    async def _all_pages(self, form: ExportForm, scope: Scope) -> AsyncIterator[bytes]:
        """At least one, which may be empty."""
        for module_id in sorted(scope.modules):
            after: Cursor | None = None
            while True:
                page, after = await self._pages.export_page(form, scope.of_module(module_id), ROWS_IN_A_PAGE, after)
                yield page
                if after is None:
                    break


async def _send(
    request: web.Request, asked: _Export, first: bytes, following: AsyncIterator[bytes]
) -> web.StreamResponse:
    disposition = f'attachment; filename="{asked.file_name}"'
    response = web.StreamResponse(headers={"Content-Type": asked.media_type, "Content-Disposition": disposition})
    await begin_stream(request, response)
    if request.method == "HEAD":
        return response
    try:
        await response.write(asked.head + first)
        async for page in following:
            await response.write(page)
        await response.write_eof()
    except RtcServerError:
        # The status was 200. Breaking off is the only way to say that something is missing.
        if request.transport is not None:
            request.transport.abort()
    except ConnectionError:
        pass  # the client has gone
    return response

"""GET /api/v1/class: who is live in a module now, as Server-Sent Events, for its teachers."""

import asyncio
import time

from aiohttp import web

from rtc_server.errors import NotAllowed
from rtc_server.web.access.read_access import ReadAccess
from rtc_server.web.api.class_feed import ClassFeed
from rtc_server.web.api.class_reader import Reader
from rtc_server.web.api.openapi import Operation
from rtc_server.web.api.query import query_of
from rtc_server.web.api.schemas import ClassQuery, LiveClass
from rtc_server.web.server.requests import answer_options
from rtc_server.web.server.streams import begin_stream

PATH = "/api/v1/class"
OPERATION = Operation(
    "watchClass",
    "Who is live in a module. Events: `class` (LiveClass) first, then `learner` (LiveLearner), `left` and `totals`. It "
    "ends when the token does.",
    "get",
    PATH,
    query=ClassQuery,
    media_type="text/event-stream",
    events=(LiveClass,),
)
STILL_HERE_S = 10.0
"""A comment after so long without an event: proxies close what is silent."""
STALLED_S = 20.0
"""Who does not read for so long is dropped."""


class ClassEndpoint:
    def __init__(self, reads: ReadAccess, feed: ClassFeed) -> None:
        self._reads = reads
        self._feed = feed

    def routes(self) -> list[web.RouteDef]:
        return [web.get(PATH, self._watch, allow_head=False), web.options(PATH, answer_options("GET"))]

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        async with self._reads.admitted(request) as grant:
            module_id = query_of(request, ClassQuery).module_id or grant.learner.module_id
            if grant.role != "teacher":
                raise NotAllowed("A class is shown to its teachers only.")
            if module_id not in grant.readable_modules:
                raise NotAllowed("The token does not name this module.")
            reader = self._feed.join(module_id, grant.learner.user_id)
        try:
            # X-Accel-Buffering: nginx would collect the events.
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
            await begin_stream(request, response)
            await _send(response, reader, grant.expires_at)
        except (ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()  # gone, or does not read
        finally:
            self._feed.leave(reader)
        return response


async def _send(response: web.StreamResponse, reader: Reader, until: float) -> None:
    while not reader.closed and (left_s := until - time.time()) > 0:
        events = await reader.events(min(STILL_HERE_S, left_s))
        async with asyncio.timeout(STALLED_S):
            await response.write(events or b": still here\n\n")
    async with asyncio.timeout(STALLED_S):
        await response.write_eof()

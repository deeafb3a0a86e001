"""Exports: the same sessions as the list has, all of them, in flat memory."""

import csv
import io
import json
import tracemalloc
from datetime import timedelta

import aiohttp
import pytest

from rtc_server.errors import StoreUnavailable
from rtc_server.learner import Learner
from rtc_server.store.reads.terms import Cursor, Scope, SessionCursor, SessionSummary
from rtc_server.web.api import exports
from rtc_server.web.api.answers import COLUMNS, Answers
from rtc_server.web.api.exports import EXPORTS_AT_ONCE, ExportsEndpoint
from rtc_server.web.api.schemas import Session
from tests.web import endpoints
from tests.web.api.school import BEGAN, SEVERAL, TEACHER, Open, School, session

TEACHER_HERE = endpoints.bearer(Learner(99, 3), role="teacher")


async def text(school: School, path: str, headers: dict[str, str]) -> str:
    async with school.http.get(path, headers=headers) as response:
        assert response.status == 200
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Content-Disposition"].startswith("attachment")
        return await response.text()


def by_id(one: dict[str, object]) -> str:
    return f"{one['focus_session_id']}{one['platform_row_id']}"


async def test_all_three_say_the_same(school: School) -> None:
    _, listed = await school.get("/api/v1/sessions", SEVERAL)
    lines = [json.loads(line) for line in (await text(school, "/api/v1/sessions.ndjson", SEVERAL)).splitlines()]
    rows = list(csv.DictReader(io.StringIO(await text(school, "/api/v1/sessions.csv", SEVERAL))))

    assert sorted(lines, key=by_id) == sorted(listed["sessions"], key=by_id)
    assert [{name: "" if value is None else str(value) for name, value in one.items()} for one in lines] == rows
    assert tuple(rows[0]) == COLUMNS == tuple(Session.model_fields)


async def test_filters_hold_for_exports_too(school: School) -> None:
    path = "/api/v1/sessions.ndjson?user_id=7&state=ended&from=2026-03-02T09:00:00Z&to=2026-03-02T10:00:00%2B00:00"

    (line,) = (await text(school, path, TEACHER)).splitlines()

    assert json.loads(line)["started_at"] == "2026-03-02T09:00:00Z"


async def test_nothing_is_a_head_without_rows(school: School) -> None:
    assert (await text(school, "/api/v1/sessions.csv?user_id=12345", TEACHER)).splitlines() == [",".join(COLUMNS)]
    assert await text(school, "/api/v1/sessions.ndjson?user_id=12345", TEACHER) == ""


async def test_a_name_is_no_formula(open_school: Open) -> None:
    one = session(7, 3)
    object.__setattr__(one, "display_name", '=HYPERLINK("http://evil")')
    school = await open_school([one])

    (row, _) = csv.DictReader(io.StringIO(await text(school, "/api/v1/sessions.csv", TEACHER)))

    assert row["display_name"] == '\'=HYPERLINK("http://evil")'


class ManyPages:
    """So many sessions, in pages; fails at that one."""

    def __init__(self, count: int, fails_at: int | None = None) -> None:
        self.left = count
        self.fails_at = fails_at

    async def sessions(
        self, scope: Scope, limit: int, after: Cursor | None
    ) -> tuple[list[SessionSummary], Cursor | None]:
        if self.fails_at is not None and self.left <= self.fails_at:
            raise StoreUnavailable("The database does not answer.")
        (module_id,) = scope.modules
        page = [
            SessionSummary("session", f"{self.left - number:036}", 1, 7, module_id, None, BEGAN, BEGAN, 1.5, 2.5)
            for number in range(min(limit, self.left))
        ]
        self.left -= len(page)
        return page, SessionCursor(BEGAN + timedelta(0), "x") if self.left else None


async def drained(client: aiohttp.ClientSession, path: str) -> int:
    """Bytes of the answer, which is not kept."""
    size = 0
    async with client.get(path, headers=TEACHER_HERE) as response:
        assert response.status == 200
        async for chunk in response.content.iter_any():
            size += len(chunk)
    return size


async def test_memory_is_flat_however_many_there_are(serve, reads) -> None:
    peaks = []
    for count in (2_000, 30_000):
        client = await serve(ExportsEndpoint(reads, Answers(ManyPages(count)), min_group=0).routes())
        tracemalloc.start()
        try:
            size = await drained(client, "/api/v1/sessions.csv")
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert size > 80 * count

    small, large = peaks
    assert large < small + 1_000_000, "of 3 MB that were sent, and of as many again that were made of them"


async def test_an_export_that_breaks_off_is_no_whole_one(serve, reads) -> None:
    client = await serve(ExportsEndpoint(reads, Answers(ManyPages(1000, fails_at=500)), min_group=0).routes())

    with pytest.raises(aiohttp.ClientError):
        await drained(client, "/api/v1/sessions.ndjson")


async def test_one_that_fails_at_once_is_a_problem_and_leaves_its_place(serve, reads) -> None:
    client = await serve(ExportsEndpoint(reads, Answers(ManyPages(1000, fails_at=1000)), min_group=0).routes())

    for _ in range(EXPORTS_AT_ONCE + 1):
        async with client.get("/api/v1/sessions.csv", headers=TEACHER_HERE) as response:
            assert (response.status, response.content_type) == (503, "application/problem+json")


async def test_few_run_at_once(serve, reads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "EXPORTS_AT_ONCE", 0)
    client = await serve(ExportsEndpoint(reads, Answers(ManyPages(5)), min_group=0).routes())

    async with client.get("/api/v1/sessions.csv", headers=TEACHER_HERE) as response:
        assert response.status == 429
        assert int(response.headers["Retry-After"]) > 0


async def test_a_head_has_no_body(school: School) -> None:
    async with school.http.head("/api/v1/sessions.csv", headers=TEACHER) as response:
        assert (response.status, await response.read()) == (200, b"")

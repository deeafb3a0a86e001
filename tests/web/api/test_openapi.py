"""The API does what its description says: schemathesis asks the running server, with good requests and bad ones."""

import asyncio

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.schemas import APIOperation

from rtc_server.web.api.openapi import document
from rtc_server.web.api.routes import OPERATIONS
from tests.web.api.school import LEARNER, TEACHER, School

EXAMPLES = 25
"""For each operation, role and kind of request; the same in every run."""
DESCRIPTION = schemathesis.openapi.from_dict(document(OPERATIONS)).exclude(operation_id="watchClass")
"""The class is a stream without end: test_live_class reads it."""


def ask(operation: APIOperation, mode: GenerationMode, address: str, headers: dict[str, str]) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def one(case: schemathesis.Case) -> None:
        case.call_and_validate(base_url=address, headers=headers)

    one()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["good", "bad"])
@pytest.mark.parametrize("headers", [LEARNER, TEACHER], ids=["learner", "teacher"])
@pytest.mark.timeout(180)
async def test_the_server_answers_as_described(school: School, headers: dict[str, str], mode: GenerationMode) -> None:
    operations = [found.ok() for found in DESCRIPTION.get_all_operations()]
    assert len(operations) == len(OPERATIONS) - 1
    for operation in operations:
        await asyncio.to_thread(ask, operation, mode, school.address.rstrip("/"), headers)


async def test_the_description_is_served_to_everybody_and_not_sent_twice(school: School) -> None:
    async with school.http.get("/api/v1/openapi.json") as response:
        assert (response.status, response.content_type) == (200, "application/json")
        assert await response.json() == document(OPERATIONS)
        etag = response.headers["ETag"]
    async with school.http.get("/api/v1/openapi.json", headers={"If-None-Match": etag}) as response:
        assert (response.status, await response.read()) == (304, b"")


async def test_an_answer_that_has_not_changed_is_not_sent_twice(school: School) -> None:
    async with school.http.get("/api/v1/sums?by=day", headers=TEACHER) as response:
        etag = response.headers["ETag"]
        assert response.headers["Cache-Control"] == "no-store"
    async with school.http.get("/api/v1/sums?by=day", headers={**TEACHER, "If-None-Match": etag}) as response:
        assert response.status == 304
    async with school.http.get("/api/v1/sums?by=module", headers={**TEACHER, "If-None-Match": etag}) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=0", "limit"),
        ("limit=x", "limit"),
        ("cursor=x", "cursor"),
        ("from=2026-01-01", "from"),
        ("from=2026-01-01T00:00:00", "from"),
        ("to=5", "to"),
        ("state=asleep", "state"),
        ("module=3", "module"),
        ("limit=1&limit=2", "twice"),
    ],
)
async def test_a_query_that_is_none_is_a_clear_error(school: School, query: str, named: str) -> None:
    status, problem = await school.get(f"/api/v1/sessions?{query}", TEACHER)

    assert (status, problem["code"]) == (400, "malformed")
    assert named in problem["detail"]

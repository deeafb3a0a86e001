"""Every route with every role: who reads what, and nobody else does."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from rtc_server.web.api.routes import OPERATIONS
from tests.web.api.school import LEARNER, SESSIONS, SEVERAL, TEACHER, Open, School, bearer

OF_7_IN_3, OF_7_IN_4, OF_8_IN_3 = SESSIONS[0], SESSIONS[3], SESSIONS[4]
ROLES: dict[str, dict[str, str]] = {
    "stranger": {},
    "expired": bearer(7, 3, now=1_600_000_000),
    "learner": LEARNER,
    "other learner": bearer(8, 3),
    "teacher": TEACHER,
    "teacher of another": bearer(99, 5, role="teacher"),
    "teacher of several": SEVERAL,
}
PATHS = {
    "list": "/api/v1/sessions",
    "list of 7": "/api/v1/sessions?user_id=7",
    "list of module 3": "/api/v1/sessions?module_id=3",
    "one in 3": f"/api/v1/sessions/{OF_7_IN_3.focus_session_id}",
    "one in 4": f"/api/v1/sessions/{OF_7_IN_4.focus_session_id}",
    "old address": f"/focus-sessions/{OF_7_IN_3.focus_session_id}",
    "sums": "/api/v1/sums?by=module",
    "sums of 7": "/api/v1/sums?by=day&user_id=7",
    "class": "/api/v1/class?module_id=3",
    "csv": "/api/v1/sessions.csv?module_id=3",
    "ndjson": "/api/v1/sessions.ndjson?user_id=7",
    "erase": "/api/v1/learners/7",
}
ALLOWED = {
    #                     learner  other  teacher  of another  of several
    "list":              (200,     200,   200,     200,        200),
    "list of 7":         (200,     403,   200,     200,        200),
    "list of module 3":  (200,     200,   200,     403,        200),
    "one in 3":          (200,     403,   200,     403,        200),
    "one in 4":          (200,     403,   403,     403,        200),
    "old address":       (200,     403,   200,     403,        200),
    "sums":              (200,     200,   200,     200,        200),
    "sums of 7":         (200,     403,   200,     200,        200),
    "class":             (403,     403,   200,     403,        200),
    "csv":               (200,     200,   200,     403,        200),
    "ndjson":            (200,     403,   200,     200,        200),
    "erase":             (403,     403,   403,     403,        403),
}  # fmt: skip
"""Nobody erases by default. Strangers and expired tokens get 401 everywhere."""


async def answered(school: School, path: str, role: str) -> tuple[int, str]:
    """Status and media type. Of a stream that does not end, the head is enough."""
    call = school.http.delete if path == PATHS["erase"] else school.http.get
    async with call(path, headers=ROLES[role]) as response:
        return response.status, response.content_type


async def test_every_route_with_every_role(school: School) -> None:
    expected = {
        (path, role): status
        for path, statuses in ALLOWED.items()
        for role, status in zip(ROLES, (401, 401, *statuses), strict=True)
    }

    found = {(path, role): await answered(school, PATHS[path], role) for path, role in expected}

    assert {key: status for key, (status, _) in found.items()} == expected
    refused = {media_type for status, media_type in found.values() if status >= 400}
    assert refused == {"application/problem+json"}


def test_the_walk_leaves_no_route_out() -> None:
    walked = {path.partition("?")[0].rsplit("/", 1)[0] + "/" for path in PATHS.values()}
    described = {operation.address.rsplit("/", 1)[0] + "/" for operation in OPERATIONS}
    assert described <= walked
    assert len(OPERATIONS) == 7


def seen(answer: Any) -> set[tuple[int, int]]:
    return {(one["user_id"], one["module_id"]) for one in answer["sessions"]}


async def test_each_sees_what_is_theirs_and_nothing_else(school: School) -> None:
    _, learner = await school.get("/api/v1/sessions", LEARNER)
    _, one_module = await school.get("/api/v1/sessions", bearer(7, 3))
    _, teacher = await school.get("/api/v1/sessions", TEACHER)
    _, several = await school.get("/api/v1/sessions", SEVERAL)
    _, of_another = await school.get("/api/v1/sessions", ROLES["teacher of another"])

    assert seen(learner) == {(7, 3), (7, 4)}
    assert seen(one_module) == {(7, 3)}
    assert seen(teacher) == {(7, 3), (8, 3)}
    assert seen(several) == {(7, 3), (8, 3), (7, 4)}
    assert of_another == {"sessions": [], "next": None}


async def test_sums_are_of_what_each_may_see(school: School) -> None:
    _, learner = await school.get("/api/v1/sums", LEARNER, by="module")
    _, teacher = await school.get("/api/v1/sums", TEACHER, by="learner")

    assert [(one["module_id"], one["sessions"], one["learners"]) for one in learner["sums"]] == [(3, 3, 1), (4, 1, 1)]
    assert [(one["user_id"], one["sessions"], one["display_name"]) for one in teacher["sums"]] == [
        (7, 3, "Learner 7"),
        (8, 2, "Learner 8"),  # one of them only the platform wrote
    ]
    assert teacher["sums"][0]["share"] == pytest.approx(60 / 90)


SINGLE = ["list", "list of 7", "one in 3", "old address", "sums of 7", "csv", "ndjson"]


async def test_with_a_least_group_teachers_see_sums_of_larger_groups_only(open_school: Open) -> None:
    school = await open_school(min_group=2)

    assert {await answered(school, PATHS[name], "teacher") for name in SINGLE} == {(403, "application/problem+json")}
    assert {(await answered(school, PATHS[name], "learner"))[0] for name in SINGLE} == {200}
    status, refused = await school.get("/api/v1/sums", TEACHER, by="learner")
    assert (status, refused["code"]) == (403, "group_too_small")
    _, shown = await school.get("/api/v1/sums", SEVERAL, by="module")
    assert [(one["module_id"], one["learners"]) for one in shown["sums"]] == [(3, 2)]  # 4 has one learner
    _, own = await school.get("/api/v1/sums", LEARNER, by="module")
    assert len(own["sums"]) == 2


async def test_learners_erase_what_is_theirs_where_they_may(open_school: Open) -> None:
    school = await open_school(learners_may_erase=True)
    statuses = {role: (await answered(school, PATHS["erase"], role))[0] for role in ROLES if role != "learner"}
    _, before = await school.get("/api/v1/sessions", SEVERAL)

    async with school.http.delete("/api/v1/learners/7", headers=LEARNER) as response:
        erased = response.status, await response.read()

    assert set(statuses.values()) == {401, 403}
    assert erased == (204, b"")
    _, after = await school.get("/api/v1/sessions", SEVERAL)
    assert sum(one["user_id"] == 7 for one in before["sessions"]) == 4
    assert [one["focus_session_id"] for one in after["sessions"] if one["user_id"] == 8] == [
        OF_8_IN_3.focus_session_id,
        None,
    ]
    # What the platform's own table holds stays, without name, spans or id.
    assert {one["source"] for one in after["sessions"] if one["user_id"] == 7} == {"platform"}
    status, _ = await school.get(PATHS["one in 3"], LEARNER)
    assert status == 404


async def test_the_platforms_rows_go_too_where_they_may(open_school: Open) -> None:
    school = await open_school(learners_may_erase=True, retention_platform_rows=True)

    async with school.http.delete("/api/v1/learners/7", headers=LEARNER) as response:
        assert response.status == 204

    assert await school.get("/api/v1/sessions", LEARNER) == (200, {"sessions": [], "next": None})
    assert await school.get("/api/v1/sums", LEARNER, by="day") == (200, {"sums": [], "next": None})


async def test_what_is_live_on_another_server_is_not_erased(open_school: Open) -> None:
    now = datetime.now(UTC)
    living = replace(SESSIONS[0], started_at=now, recorded_at=now, end_reason=None)
    school = await open_school([living], learners_may_erase=True)

    async with school.http.delete("/api/v1/learners/7", headers=LEARNER) as response:
        answer = response.status, (await response.json(content_type=None))["code"]

    assert answer == (409, "still_live")
    _, kept = await school.get("/api/v1/sessions", LEARNER)
    assert len(kept["sessions"]) == 1


async def test_a_class_that_nobody_reads_costs_others_nothing(school: School) -> None:
    """Four pages of one teacher are shown; the fifth is refused, and another teacher's is not."""
    streams = [await school.http.get(PATHS["class"], headers=TEACHER) for _ in range(4)]
    try:
        async with school.http.get(PATHS["class"], headers=TEACHER) as fifth:
            assert fifth.status == 429
        async with asyncio.timeout(5), school.http.get(PATHS["class"], headers=bearer(98, 3, role="teacher")) as other:
            assert other.status == 200
            assert (await other.content.readline()) == b"event: class\n"
    finally:
        for stream in streams:
            stream.close()

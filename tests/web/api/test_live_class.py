"""A class as its teacher sees it through HTTP: a published learner, the whole server, MariaDB."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from rtc_server.publisher.clip_track import ClipTrack
from rtc_server.publisher.published_learner import PublishedLearner
from tests.publisher.clips import encoded_bars
from tests.web.api.school import Open, School, bearer

TEACHER = bearer(99, 3, role="teacher")


async def events(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, Any]]:
    """Of a stream, until it ends; comments are left out."""
    name = ""
    async for line in response.content:
        text = line.decode().rstrip("\n")
        if text.startswith("event: "):
            name = text.removeprefix("event: ")
        elif text.startswith("data: "):
            yield name, json.loads(text.removeprefix("data: "))


async def test_a_learner_comes_is_seen_and_leaves_and_all_say_the_same(open_school: Open) -> None:
    school = await open_school([])
    token = bearer(7, 3, name="Ana")["Authorization"].removeprefix("Bearer ")
    leaving = asyncio.Event()
    async with asyncio.timeout(30), school.http.get("/api/v1/class", headers=TEACHER) as stream:
        assert stream.content_type == "text/event-stream"
        assert stream.headers["Cache-Control"] == "no-store"
        told = events(stream)
        name, whole = await anext(told)
        assert (name, whole["learners"], whole["module_id"]) == ("class", [], 3)

        learner = PublishedLearner(
            school.http, f"{school.address}whip", token, ClipTrack(encoded_bars(1.0, 30), loop=True)
        )
        publishing = asyncio.create_task(learner.run(leaving, asyncio.Semaphore()))
        seen = await _learner(told, lambda one: one["unknown_s"] > 1)
        assert (seen["user_id"], seen["display_name"], seen["connected"]) == (7, "Ana", True)
        assert (seen["state"], seen["reason"], seen["recent"][-1]["reason"]) == ("unknown", "low_light", "low_light")

        leaving.set()
        await publishing
        left = await _learner(told, lambda one: one["end_reason"] is not None)

    assert (left["end_reason"], left["connected"]) == ("stopped", False)
    _, stored = await school.get(f"/api/v1/sessions/{left['focus_session_id']}", TEACHER)
    _, listed = await school.get("/api/v1/sessions", TEACHER, user_id=7)
    _, sums = await school.get("/api/v1/sums", TEACHER, by="learner", user_id=7)
    async with school.http.get("/api/v1/sessions.ndjson?user_id=7", headers=TEACHER) as export:
        exported = json.loads(await export.read())
    numbers = [(one["unfocused_s"], one["unknown_s"]) for one in (left, stored, listed["sessions"][0], exported)]
    assert len(set(numbers)) == 1, numbers
    assert (sums["sums"][0]["unfocused_s"], sums["sums"][0]["unknown_s"]) == pytest.approx(numbers[0])
    assert {one["display_name"] for one in (stored, exported, *sums["sums"])} == {"Ana"}
    assert sum(span["end_s"] - span["start_s"] for span in stored["spans"]) == pytest.approx(sum(numbers[0]))


async def _learner(told: AsyncIterator[tuple[str, Any]], such: Any) -> Any:
    async for name, data in told:
        if name == "learner" and such(data):
            return data
    pytest.fail("the stream has ended")


async def test_the_stream_ends_with_the_token(school: School) -> None:
    # Three seconds from its end: a clock of the platform's may differ by 30.
    ending = bearer(99, 3, role="teacher", ttl_s=3)
    began = time.monotonic()
    async with asyncio.timeout(20), school.http.get("/api/v1/class", headers=ending) as stream:
        assert [name async for name, _ in events(stream)] == ["class"]
    assert time.monotonic() - began < 10


async def test_pages_of_other_origins_may_read_it_where_they_are_listed(open_school: Open) -> None:
    school = await open_school([], cors_origins=("https://lms.example.org",))
    headers = TEACHER | {"Origin": "https://lms.example.org"}

    for path in ("/api/v1/class", "/api/v1/sessions.csv", "/api/v1/sessions"):
        async with school.http.get(path, headers=headers) as response:
            assert response.status == 200
            assert response.headers["Access-Control-Allow-Origin"] == "https://lms.example.org"
            assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")

"""Two real servers that are one: whatever arrives at either is answered by the one that should."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp
import pytest
from aiortc import RTCSessionDescription

from rtc_server.learner import Learner
from rtc_server.web.access.auth import mint_token
from rtc_server.web.access.passport import HEADER, PassportOffice
from tests.databases import PrivateMariaDb
from tests.e2e.server_process import ServerProcess, running_server
from tests.peer.learner_client import LearnerClient
from tests.redis_server import PrivateRedis

SECRET = "a secret of the tests, long enough for HS256"
FLEET_SECRET = "another secret, of the servers among themselves"
MODULE = 3


def bearer(user_id: int, role: Any = "learner") -> dict[str, str]:
    token = mint_token(SECRET, Learner(user_id, MODULE), audience="rtc-server", role=role)
    return {"Authorization": f"Bearer {token}"}


class HttpLearner(LearnerClient):
    """Connects by WHIP, as a page does."""

    def __init__(self, http: aiohttp.ClientSession, user_id: int) -> None:
        super().__init__()
        self._http = http
        self.headers = bearer(user_id)
        self.location = self.etag = ""

    async def arrive(self, server: ServerProcess, **query: str) -> int:
        """The status of the answer."""
        await self.pc.setLocalDescription(await self.pc.createOffer())
        headers = {"Content-Type": "application/sdp", **self.headers}
        offer = self.pc.localDescription.sdp
        async with self._http.post(f"{server.url}whip", data=offer, headers=headers, params=query) as answer:
            if answer.status == HTTPStatus.CREATED:
                self.location, self.etag = answer.headers["Location"], answer.headers["ETag"]
                await self.pc.setRemoteDescription(RTCSessionDescription(await answer.text(), "answer"))
            return answer.status

    @property
    def server_id(self) -> str:
        return self.location.removeprefix("/whip/").rpartition(".")[0]


@dataclass
class Pair:
    first: ServerProcess
    second: ServerProcess
    http: aiohttp.ClientSession

    @asynccontextmanager
    async def learner(self, user_id: int) -> AsyncIterator[HttpLearner]:
        learner = HttpLearner(self.http, user_id)
        try:
            yield learner
        finally:
            await learner.close()


@pytest.fixture
def settings(mariadb_url: str, redis_server: PrivateRedis) -> dict[str, str]:
    return {
        "RTC_TOKEN_SECRET": SECRET,
        "RTC_FLEET_SECRET": FLEET_SECRET,
        "RTC_DATABASE_URL": mariadb_url,
        "RTC_REDIS_URL": redis_server.url,
        "RTC_LEARNERS_MAY_ERASE": "1",
        "RTC_MAX_SESSIONS": "2",
    }


@pytest.fixture
async def pair(settings: dict[str, str]) -> AsyncIterator[Pair]:
    async with (
        running_server(**settings) as first,
        running_server(**settings) as second,
        aiohttp.ClientSession() as http,
    ):
        yield Pair(first, second, http)


async def test_newcomers_go_where_there_is_room(pair: Pair) -> None:
    async with pair.learner(1) as one, pair.learner(2) as two, pair.learner(3) as three, pair.learner(4) as four:
        learners = (one, two, three, four)
        for learner in learners:
            assert await learner.arrive(pair.first) == HTTPStatus.CREATED
            assert learner.location.startswith("/whip/")
            await learner.told("tracking_started")
        assert sorted(len({learner.server_id for learner in some}) for some in (learners[:2], learners)) == [2, 2]
        async with pair.learner(5) as fifth:
            assert await fifth.arrive(pair.second) == HTTPStatus.SERVICE_UNAVAILABLE
        for learner in learners:
            await learner.told("tracking_update", lambda update: update["server_ms"] > 0)


async def status_of(request: Any) -> int:
    async with request as answer:
        return int(answer.status)


@asynccontextmanager
async def elsewhere(pair: Pair, user_id: int) -> AsyncIterator[tuple[HttpLearner, ServerProcess]]:
    """A learner, and the server that does not have them."""
    async with pair.learner(100) as first, pair.learner(user_id) as learner:
        await first.arrive(pair.first)
        await first.told("tracking_started")
        await learner.arrive(pair.first)
        assert learner.server_id != first.server_id
        yield learner, pair.first


async def test_requests_about_a_peer_find_the_server_that_has_it(pair: Pair) -> None:
    async with elsewhere(pair, 1) as (learner, server):
        url = f"{server.url.rstrip('/')}{learner.location}"
        fragment = {"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": learner.etag, **learner.headers}
        async with pair.http.patch(url, data="a=end-of-candidates\r\n", headers=fragment) as answer:
            assert answer.status == HTTPStatus.NO_CONTENT
        async with pair.http.delete(url, headers=bearer(2)) as answer:
            assert answer.status == HTTPStatus.FORBIDDEN
            assert (await answer.json())["code"] == "not_allowed"
        async with pair.http.delete(url, headers=learner.headers) as answer:
            assert answer.status == HTTPStatus.OK
        assert (await learner.told("tracking_stopped"))["reason"] == "stopped"
        async with asyncio.timeout(5):
            while await status_of(pair.http.delete(url, headers=learner.headers)) != HTTPStatus.NOT_FOUND:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def test_a_live_session_reads_the_same_from_every_server(pair: Pair) -> None:
    async with elsewhere(pair, 1) as (learner, server):
        session = (await learner.told("tracking_started"))["focus_session_id"]
        told = await learner.told("tracking_update", lambda update: update["metrics"]["unfocused_time"] > 1)
        for one in (server, pair.second):
            async with pair.http.get(f"{one.url}api/v1/sessions/{session}", headers=learner.headers) as answer:
                read = await answer.json()
            assert answer.status == HTTPStatus.OK, read
            assert read["unfocused_s"] >= told["metrics"]["unfocused_time"]


async def test_a_teacher_sees_the_whole_class_at_any_server(pair: Pair) -> None:
    async with pair.learner(1) as one, pair.learner(2) as two:
        for learner in (one, two):
            await learner.arrive(pair.first)
            await learner.told("tracking_update", lambda update: update["server_ms"] > 0)
        assert one.server_id != two.server_id
        for server in (pair.first, pair.second):
            assert await seen(pair, server, 2) == {1, 2}


async def seen(pair: Pair, server: ServerProcess, learners: int) -> set[int]:
    """Who is in the class, once there are so many."""
    ids: set[int] = set()
    headers = bearer(9, "teacher")
    async with asyncio.timeout(10), pair.http.get(f"{server.url}api/v1/class", headers=headers) as events:
        assert events.status == HTTPStatus.OK
        async for line in events.content:
            if line.startswith(b"data:"):
                told = json.loads(line.removeprefix(b"data:"))
                found = [told] if "user_id" in told else told.get("learners", [])
                ids |= {one["user_id"] for one in found}
                if len(ids) == learners:
                    break
    return ids


async def test_a_learner_is_erased_wherever_they_are(pair: Pair) -> None:
    async with elsewhere(pair, 1) as (learner, server):
        session = (await learner.told("tracking_started"))["focus_session_id"]
        await learner.told("tracking_update", lambda update: update["metrics"]["unfocused_time"] > 0.5)
        async with pair.http.delete(f"{server.url}api/v1/learners/1", headers=learner.headers) as answer:
            assert answer.status == HTTPStatus.NO_CONTENT, await answer.text()
        assert (await learner.told("tracking_stopped"))["reason"] == "stopped"
        async with pair.http.get(f"{server.url}api/v1/sessions/{session}", headers=learner.headers) as answer:
            assert answer.status == HTTPStatus.NOT_FOUND


async def test_without_redis_learners_stay_and_newcomers_are_taken_where_they_arrive(
    pair: Pair, redis_server: PrivateRedis
) -> None:
    async with elsewhere(pair, 1) as (learner, server):
        await redis_server.stop()
        before = await learner.told("tracking_update", lambda update: update["server_ms"] > 0)
        async with pair.learner(3) as newcomer, pair.learner(4) as later:
            assert await newcomer.arrive(server) == HTTPStatus.CREATED
            await newcomer.told("tracking_update", lambda update: update["server_ms"] > 0)
            assert newcomer.server_id != learner.server_id
            await learner.told("tracking_update", lambda update: update["media_time_s"] > before["media_time_s"] + 1)
            assert await later.arrive(server) == HTTPStatus.SERVICE_UNAVAILABLE  # full, and it knows of no other
            async with pair.http.get(f"{server.url}readyz") as answer:
                assert answer.status == HTTPStatus.OK
            await redis_server.start()
            async with asyncio.timeout(20):
                while await later.arrive(server) != HTTPStatus.CREATED:  # noqa: ASYNC110 - a directory tells nobody
                    await asyncio.sleep(0.2)
            assert later.server_id == learner.server_id
            await later.told("tracking_started")


async def test_a_server_that_is_stopped_sends_newcomers_on(pair: Pair, mariadb_server: PrivateMariaDb) -> None:
    async with pair.learner(1) as one, pair.learner(2) as two:
        await one.arrive(pair.first)
        await one.told("tracking_update", lambda update: update["server_ms"] > 0)  # there is something to save
        # The busier of two that are as empty as each other sends even the first learner on.
        stopped = pair.second if "POST /whip" in pair.second.requests else pair.first
        with mariadb_server.frozen():  # so that its end takes a moment
            stopping = asyncio.create_task(stopped.stop(signal.SIGTERM))
            async with asyncio.timeout(5):
                while await status_of(pair.http.get(f"{stopped.url}readyz")) == HTTPStatus.OK:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert await two.arrive(stopped) == HTTPStatus.CREATED
            assert two.server_id != one.server_id
        assert await stopping == 0
        await two.told("tracking_started")


async def test_a_server_with_another_secret_is_passed_over(
    settings: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    other = settings | {"RTC_FLEET_SECRET": "another secret, which somebody forgot to change"}
    async with running_server(**settings) as first, running_server(**other) as second, aiohttp.ClientSession() as http:
        pair = Pair(first, second, http)
        async with pair.learner(1) as one, pair.learner(2) as two, pair.learner(3) as three:
            for learner in (one, two):
                assert await learner.arrive(first) == HTTPStatus.CREATED
                await learner.told("tracking_started")
            assert one.server_id == two.server_id
            assert await three.arrive(first) == HTTPStatus.SERVICE_UNAVAILABLE
    assert "a server of the fleet has another RTC_FLEET_SECRET" in caplog.text


async def test_nobody_else_speaks_for_a_server(pair: Pair) -> None:
    path = f"{pair.first.url}fleet/learners/1/end"
    forged = PassportOffice("a secret that the fleet does not have, as long").issue("POST", "/fleet/learners/1/end", "")
    for_another = PassportOffice(FLEET_SECRET).issue("POST", "/fleet/learners/2/end", "")
    for headers in ({}, bearer(1, "teacher"), {HEADER: "nonsense"}, forged, for_another):
        async with pair.http.post(path, headers=headers) as answer:
            assert answer.status == HTTPStatus.FORBIDDEN
    own = PassportOffice(FLEET_SECRET).issue("POST", "/fleet/learners/1/end", "")
    async with pair.http.post(path, headers=own) as answer:
        assert answer.status == HTTPStatus.NO_CONTENT

"""HAProxy and nginx, real ones as deploy/ has them, in front of two servers of a fleet: nobody needs to know which."""

import asyncio
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import unused_port

from tests.deployment.proxies import Proxy, haproxy, nginx
from tests.e2e.server_process import ServerProcess, running_server
from tests.fleet.test_servers import FLEET_SECRET, SECRET, HttpLearner, bearer
from tests.redis_server import PrivateRedis

LEARNERS = 4
BALANCERS = {"haproxy": haproxy, "nginx": nginx}
pytestmark = pytest.mark.timeout(120)


@dataclass
class House:
    proxy: Proxy
    servers: list[ServerProcess]
    http: aiohttp.ClientSession

    @asynccontextmanager
    async def learners(self) -> AsyncIterator[list[HttpLearner]]:
        """So many that both servers are full, each with a picture that is looked at."""
        async with AsyncExitStack() as owned:
            learners = [HttpLearner(self.http, user_id) for user_id in range(1, LEARNERS + 1)]
            for learner in learners:
                owned.push_async_callback(learner.close)
            for learner in learners:
                assert await learner.arrive(self.proxy) == HTTPStatus.CREATED  # type: ignore[arg-type]
                await learner.told("tracking_update", lambda update: update["server_ms"] > 0)
            yield learners

    def url(self, path: str) -> str:
        return self.proxy.url.rstrip("/") + path


@pytest.fixture(params=BALANCERS)
async def house(
    request: pytest.FixtureRequest, tmp_path: Path, mariadb_url: str, redis_server: PrivateRedis
) -> AsyncIterator[House]:
    settings = {
        "RTC_TOKEN_SECRET": SECRET,
        "RTC_FLEET_SECRET": FLEET_SECRET,
        "RTC_DATABASE_URL": mariadb_url,
        "RTC_REDIS_URL": redis_server.url,
        "RTC_TRUSTED_PROXIES": "127.0.0.1",
        "RTC_MAX_SESSIONS": str(LEARNERS // 2),
    }
    async with AsyncExitStack() as owned:
        servers = [await owned.enter_async_context(running_server(**settings)) for _ in range(2)]
        ports = [server.port for server in servers]
        proxy = await owned.enter_async_context(BALANCERS[request.param](tmp_path, ports))
        connector = aiohttp.TCPConnector(ssl=proxy.trusting)
        http = await owned.enter_async_context(aiohttp.ClientSession(connector=connector))
        yield House(proxy, servers, http)


async def test_whatever_lands_anywhere_works(house: House) -> None:
    async with house.learners() as learners:
        assert sorted(Counter(learner.server_id for learner in learners).values()) == [2, 2]
        for learner in learners:
            fragment = {"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": learner.etag}
            for _ in range(4):  # the proxy gives them to one server and the other
                async with house.http.patch(
                    house.url(learner.location), data="a=end-of-candidates\r\n", headers=fragment | learner.headers
                ) as answer:
                    assert answer.status == HTTPStatus.NO_CONTENT, await answer.text()
        await the_class_is_shown_as_it_happens(house, learners)
        for learner in learners[1:]:
            async with house.http.delete(house.url(learner.location), headers=learner.headers) as answer:
                assert answer.status == HTTPStatus.OK, await answer.text()
            assert (await learner.told("tracking_stopped"))["reason"] == "stopped"
    routes = {"POST /whip", "PATCH /whip/{peer_id}", "DELETE /whip/{peer_id}"}
    for server in house.servers:
        assert routes <= set(server.requests)


async def the_class_is_shown_as_it_happens(house: House, learners: list[HttpLearner]) -> None:
    """Until the first of them has left."""
    headers = bearer(9, "teacher")
    async with house.http.get(house.url("/api/v1/class"), headers=headers) as events:
        assert events.status == HTTPStatus.OK
        assert events.content_type == "text/event-stream"
        here = {one["user_id"] for one in (await heard(events, "class"))["learners"]}
        async with asyncio.timeout(10):
            while len(here) < LEARNERS:  # those of the other server follow
                here.add((await heard(events, "learner"))["user_id"])
        async with house.http.delete(house.url(learners[0].location), headers=learners[0].headers) as answer:
            assert answer.status == HTTPStatus.OK
        async with asyncio.timeout(5):
            while (said := await heard(events, "learner"))["user_id"] != 1 or said["end_reason"] is None:
                continue
        assert said["end_reason"] == "stopped"


async def test_nobody_who_comes_sees_that_a_server_was_killed(house: House) -> None:
    async with house.learners() as learners:
        gone, stays = house.servers
        gone.send(signal.SIGKILL)
        for learner in learners:
            async with house.http.delete(house.url(learner.location), headers=learner.headers) as answer:
                assert answer.status in {HTTPStatus.OK, HTTPStatus.NOT_FOUND}
        statuses = Counter([await status_of(house.http.get(house.url("/readyz"))) for _ in range(20)])
        assert statuses == {HTTPStatus.OK: 20}
        newcomer = HttpLearner(house.http, 7)
        try:
            assert await newcomer.arrive(house.proxy) == HTTPStatus.CREATED  # type: ignore[arg-type]
            await newcomer.told("tracking_update", lambda update: update["server_ms"] > 0)
            assert "POST /whip" in stays.requests
        finally:
            await newcomer.close()


@pytest.mark.parametrize("balancer", BALANCERS)
async def test_http_leads_to_https(balancer: str, tmp_path: Path) -> None:
    nobody = [unused_port(), unused_port()]
    async with BALANCERS[balancer](tmp_path, nobody) as proxy, aiohttp.ClientSession() as http:
        plain = f"http://127.0.0.1:{proxy.plain_port}/whip?policy=reading"
        async with http.get(plain, allow_redirects=False) as answer:
            assert answer.status == HTTPStatus.MOVED_PERMANENTLY
            assert answer.headers["Location"].startswith("https://")
            assert answer.headers["Location"].endswith("/whip?policy=reading")


async def test_haproxy_refuses_a_flood_and_says_that_no_server_is_there_as_the_servers_would(tmp_path: Path) -> None:
    """One learner's requests are too many. The next learner at the same address gets the answer that there is."""
    async with (
        haproxy(tmp_path, [unused_port(), unused_port()]) as proxy,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=proxy.trusting)) as http,
    ):
        flood = (http.get(f"{proxy.url}ice-servers", headers=bearer(1)) for _ in range(200))
        answers = sorted(await asyncio.gather(*flood), key=lambda answer: answer.status)
        other = await http.get(f"{proxy.url}ice-servers", headers=bearer(2))
        statuses = Counter(answer.status for answer in answers)
        assert statuses.keys() == {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}
        assert statuses[HTTPStatus.TOO_MANY_REQUESTS] > 50
        assert other.status == HTTPStatus.SERVICE_UNAVAILABLE
        for answer in (answers[0], other):
            assert answer.content_type == "application/problem+json"
            assert (await answer.json(content_type=None))["status"] == answer.status
            assert answer.headers["Retry-After"] == "5"
            assert "max-age" in answer.headers["Strict-Transport-Security"]


async def status_of(request: Any) -> int:
    async with request as answer:
        return int(answer.status)


async def heard(events: aiohttp.ClientResponse, kind: str) -> Any:
    """The next event of this kind."""
    name = ""
    async for line in events.content:
        if line.startswith(b"event:"):
            name = line.removeprefix(b"event:").strip().decode()
        elif line.startswith(b"data:") and name == kind:
            return json.loads(line.removeprefix(b"data:"))
    raise AssertionError("the stream ended")

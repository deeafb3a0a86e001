"""deploy/nginx.conf under a real nginx, before a real HTTP server: a class comes in, and one learner runs wild."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import aiohttp
import pytest
from aiohttp import web

from rtc_server.learner import Learner
from rtc_server.settings import Settings
from rtc_server.web.health import health_routes
from rtc_server.web.pages import page_routes
from tests.deployment.proxies import nginx
from tests.web.endpoints import OFFER, MemoryPeers, Server, bearer, signalling_application

ROOT = Path(__file__).parents[2]
SDP = {"Content-Type": "application/sdp"}
LEARNERS = 60
REFERENCES = re.compile(r"""(?:src|href)="(static/[^"]+)"|(?:from|^import) "(\./[^"]+)";""", re.MULTILINE)


@dataclass(frozen=True)
class Proxied:
    http: aiohttp.ClientSession
    url: str
    peers: MemoryPeers
    seen: Counter[str]
    """Paths that reached the server behind, with their query."""


@pytest.fixture
async def proxied(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Proxied]:
    """With a parameter, the limits fill that many times as slowly: what a busy machine sends is a flood then too."""
    peers, seen = MemoryPeers(), Counter[str]()
    fields = Settings.model_fields
    application = signalling_application(
        peers,
        offers_per_minute=fields["offers_per_minute"].default,
        offers_per_minute_per_user=fields["offers_per_minute_per_user"].default,
        trusted_proxies=("127.0.0.1",),
    )
    application.add_routes([*page_routes(ROOT / "static"), *health_routes(lambda: False, lambda: None)])

    async def count(request: web.Request, _response: web.StreamResponse) -> None:
        seen[request.path_qs] += 1

    application.on_response_prepare.append(count)
    server = Server(application, header_timeout=10.0)
    await server.start_server()
    assert server.port is not None
    async with nginx(tmp_path, [server.port], rates_divided_by=getattr(request, "param", 1)) as proxy:
        connector = aiohttp.TCPConnector(ssl=proxy.trusting, limit=LEARNERS)
        async with aiohttp.ClientSession(connector=connector) as http:
            yield Proxied(http, proxy.url, peers, seen)
    await server.close()


async def lesson(proxied: Proxied, user_id: int) -> Counter[int]:
    """What a browser asks for, with nothing cached: the page, all that it refers to, and a connection."""
    statuses: Counter[int] = Counter()
    asked, left = set(), [proxied.url]
    while left:
        url = left.pop()
        asked.add(url)
        async with proxied.http.get(url) as response:
            statuses[response.status] += 1
            found = REFERENCES.findall(await response.text())
        left += {urljoin(url, page or module) for page, module in found} - asked - set(left)
    headers = bearer(Learner(user_id, 3))
    async with proxied.http.get(proxied.url + "ice-servers", headers=headers) as response:
        statuses[response.status] += 1
    async with proxied.http.post(proxied.url + "whip", data=OFFER, headers=SDP | headers) as response:
        statuses[response.status] += 1
        session = response.headers.get("Location", "/whip/none")
    async with proxied.http.delete(urljoin(proxied.url, session), headers=headers) as response:
        statuses[response.status] += 1
    return statuses


async def test_a_class_behind_one_address_comes_in_at_once(proxied: Proxied) -> None:
    statuses = await asyncio.gather(*(lesson(proxied, user_id) for user_id in range(1, LEARNERS + 1)))

    assert sum(statuses, Counter()).keys() == {200, 201}
    assert sum(statuses[0].values()) > 12, "the page was read to its last module"
    modules = {path: times for path, times in proxied.seen.items() if path.startswith("/static/")}
    assert max(modules.values()) == 1, "nginx answers what it has"


async def test_one_learner_who_floods_is_refused_and_the_class_is_not(proxied: Proxied) -> None:
    flood = [
        proxied.http.post(proxied.url + "whip", data="x", headers=SDP | bearer(Learner(666, 3))) for _ in range(400)
    ]
    answers = await asyncio.gather(*flood)
    refused = Counter(answer.status for answer in answers)
    reached = proxied.seen["/whip"]

    statuses = await asyncio.gather(*(lesson(proxied, user_id) for user_id in range(1, 21)))

    assert refused[429] > 300
    assert reached < 100
    assert {answer.content_type for answer in answers} == {"application/problem+json"}
    assert all("Retry-After" in answer.headers for answer in answers if answer.status == 429)
    assert {(await answer.json(content_type=None))["status"] for answer in answers} <= {400, 429}
    assert sum(statuses, Counter()).keys() == {200, 201}


async def test_strangers_who_flood_are_refused_and_learners_at_their_address_are_not(proxied: Proxied) -> None:
    flood = [proxied.http.get(proxied.url + "healthz") for _ in range(1500)]
    statuses = Counter(answer.status for answer in await asyncio.gather(*flood))

    assert statuses.keys() == {200, 429}
    assert (await proxied.http.get(proxied.url + "ice-servers", headers=bearer())).status == 200


@pytest.mark.parametrize("proxied", [20], indirect=True)
async def test_invented_tokens_are_no_way_around(proxied: Proxied) -> None:
    flood = [
        proxied.http.get(proxied.url + "healthz", headers={"Authorization": f"Bearer {number}"})
        for number in range(2500)
    ]
    statuses = Counter(answer.status for answer in await asyncio.gather(*flood))

    assert statuses.keys() == {200, 429}


async def test_what_a_client_says_of_its_address_is_not_passed_on(proxied: Proxied) -> None:
    headers = SDP | bearer() | {"X-Forwarded-For": "198.51.100.7", "Forwarded": "for=198.51.100.8"}

    assert (await proxied.http.post(proxied.url + "whip", data=OFFER, headers=headers)).status == 201

    assert proxied.peers.live["peer-0"].client_address == "127.0.0.1"

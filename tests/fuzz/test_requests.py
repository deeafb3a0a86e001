"""HTTP as a client may write it, byte by byte, before a registry of real peers: answered, and never with a 500."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

import pytest
from aiohttp.test_utils import TestServer
from hypothesis import strategies as st

from rtc_server.analysis.pool import AnalysisPool
from rtc_server.learner import Grant
from rtc_server.peer.peer import Peer, PeerServices
from rtc_server.peer.registry import PeerRegistry
from rtc_server.record import EndReason
from rtc_server.transport.ice_gathering import IceGathering
from tests.fuzz.doors import fuzzed
from tests.fuzz.mutation import corpus, damaged_text
from tests.peer.stand_ins import Analysers, Records
from tests.sdp.offers import offer
from tests.web.endpoints import LEARNER, Server, bearer, signalling_application

ANSWER_WITHIN_S = 5.0
MANY = 1_000_000
BODY_WITHIN_S = 0.05
"""Some never come."""
TOKEN = bearer(ttl_s=24 * 3600)["Authorization"].removeprefix("Bearer ")
GENUINE = "Bearer {token}"
"""Each run has its own; an example is kept without."""

METHODS = ["POST"] * 12 + ["PATCH", "DELETE", "OPTIONS", "GET", "PUT", "HEAD", "post", "P\0ST", ""]
PATHS = ["/whip", "/offer"] * 4 + ["/whip/x", "/whip/%00", "/ice-servers", "/whip/../offer", "/x?x=%ff", "*", "//", ""]
QUERIES = ["", "", "?continues=x", "?continues=%00", "?consent_at=", "?consent_at=99999-01-01", "?consent_at=%2B"]
TYPES = [
    "application/sdp",
    "application/json",
    "application/trickle-ice-sdpfrag",
    "application/sdp;charset=ñ",
    'application/sdp; a="',
    "text/plain",
    "x",
    "",
]
LENGTHS = ["0", "-1", "+3", "1e3", "٣", "5, 5", "40000", "99999999999999999999", "0x10", ""]
ENTITY_TAGS = ['"{etag}"', '"x", "{etag}"', 'W/"{etag}"', "{etag}", "*", '"', '"' * 500, ""]
AUTHORIZATIONS = [
    GENUINE,
    "Bearer",
    "Bearer .",
    "Bearer a.b.c",
    "Basic eDp5",
    "bearer  " + GENUINE[7:],
    "Bearer {token}x",
]
OTHER_HEADERS = ["Origin", "Forwarded", "X-Forwarded-For", "Accept", "Content-Encoding", "Upgrade"]

written = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=30)
framing = st.fixed_dictionaries(
    {},
    optional={
        "Content-Length": st.sampled_from(LENGTHS) | written,
        "Transfer-Encoding": st.sampled_from(["chunked", "chunked", "gzip, chunked", "identity"]) | written,
    },
)
headers = st.fixed_dictionaries(
    {
        "Authorization": st.sampled_from([GENUINE] * 12 + AUTHORIZATIONS) | written,
        "If-Match": st.sampled_from(['"{etag}"'] * 8 + ENTITY_TAGS) | written,
    },
    optional={name: st.sampled_from(["*", "gzip", "identity", "websocket"]) | written for name in OTHER_HEADERS},
)
bodies = (
    damaged_text([*corpus("*.sdp*"), offer(), "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n"])
    | st.sampled_from(
        ['{"sdp":1}', '{"sdp":"v=0","type":"offer"}', "[" * 20_000, "5\r\nv=0\r\n\r\n0\r\n\r\n", "x" * 40_000]
    )
    | st.text(max_size=200)
)


@st.composite
def request(draw: st.DrawFn, methods: Sequence[str], targets: Sequence[str], media_types: Sequence[str]) -> str:
    """`{session}` and `{etag}` stand for those of a peer. Most of it is in order, so that the rest gets far."""
    body = draw(bodies)
    in_order = st.sampled_from([True] * 5 + [False])
    lines = draw(headers)
    lines["Content-Type"] = draw(st.sampled_from(media_types) if draw(in_order) else st.sampled_from(TYPES) | written)
    lines |= {"Content-Length": str(len(body.encode()))} if draw(in_order) else draw(framing)
    named = [f"{name}: {value}" for name, value in lines.items()]
    if not draw(in_order):
        named.append(draw(st.text(st.characters(codec="latin-1"), max_size=60) | st.just("Expect: 100-continue")))
    start = f"{draw(st.sampled_from(methods))} {draw(st.sampled_from(targets))} HTTP/1.1"
    return "\r\n".join([start, "Host: x", *named, "", body])


@dataclass
class House:
    """The endpoints, with a registry of real peers behind them, on a loop of its own."""

    runner: asyncio.Runner
    registry: PeerRegistry
    port: int

    def tell(self, raw: str) -> int | None:
        """The status of the answer; None where the connection was closed without one."""
        return self.runner.run(self._tell(raw))

    async def _tell(self, raw: str) -> int | None:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write(raw.replace("{token}", TOKEN).encode("utf-8", "replace"))
                status_line = (await reader.readline()).split()
                while status_line and status_line[1].startswith(b"1"):
                    await reader.readline()
                    status_line = (await reader.readline()).split()
            except ConnectionError:
                return None
            finally:
                writer.transport.abort()
        return int(status_line[1]) if status_line else None

    def peer(self) -> Peer:
        """A new one of the learner whose token is genuine."""
        answer = self.runner.run(self.registry.connect(offer(), Grant(LEARNER, "reading", "learner")))
        return self.registry.peer(answer.peer_id)

    def empty(self) -> None:
        """Ends each peer; nothing of any is left."""

        async def end_all() -> None:
            for peer_id in list(self.registry._peers):
                await self.registry.close_peer(peer_id, EndReason.STOPPED)
            async with asyncio.timeout(ANSWER_WITHIN_S):
                while self.registry._tasks:
                    await asyncio.wait(self.registry._tasks)

        self.runner.run(end_all())
        assert len(self.registry) == 0
        assert not self.registry._occupants
        assert not self.registry._parked


@pytest.fixture
def house() -> Iterator[House]:
    async def start() -> tuple[PeerRegistry, AnalysisPool, TestServer]:
        pool = AnalysisPool(1)
        gathering = IceGathering(addresses=(ip_address("127.0.0.1"),))
        services = PeerServices(make_analyser=Analysers(), recorder=Records(), pool=pool, gathering=gathering)
        registry = PeerRegistry(services, max_peers=8, resume_window_s=0.0)
        application = signalling_application(
            registry, offers_per_minute=MANY, offers_per_minute_per_user=MANY, body_timeout=BODY_WITHIN_S
        )
        server = Server(application, header_timeout=ANSWER_WITHIN_S)
        await server.start_server()
        return registry, pool, server

    async def stop() -> None:
        await server.close()
        await registry.close()
        await pool.close()
        # aiortc's checks of a peer that is gone look up once more, within 20 ms.
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others, timeout=ANSWER_WITHIN_S)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with asyncio.Runner() as runner:
        registry, pool, server = runner.run(start())
        assert server.port is not None
        yield House(runner, registry, server.port)
        runner.run(stop())


def _is_no_failure(status: int | None) -> bool:
    return status is None or status < 500


@fuzzed(request(METHODS, [path + query for path in PATHS for query in QUERIES], TYPES[:2]))
def test_no_request_is_answered_with_a_500(house: House, raw: str) -> None:
    assert _is_no_failure(house.tell(raw))
    house.empty()


@fuzzed(st.lists(request(["PATCH"] * 12 + ["DELETE", "POST", "OPTIONS"], ["/whip/{session}"], TYPES[2:3]), max_size=4))
def test_no_fragment_is_answered_with_a_500(house: House, requests: list[str]) -> None:
    peer = house.peer()
    for raw in requests:
        assert _is_no_failure(house.tell(raw.replace("{session}", peer.peer_id).replace("{etag}", peer.etag)))
    house.empty()

"""What a client may say: on its data channels, and over HTTP."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import ClientError
from aiohttp.test_utils import TestClient
from hypothesis import given
from hypothesis import strategies as st

from rtc_server.peer.messages import MAX_MESSAGE_BYTES, ClientMessage
from rtc_server.peer.metrics_channel import MetricsChannel
from tests.fuzz.mutation import corpus, damaged_bytes, damaged_text, fuzzed
from tests.signalling.doors import MemoryPeers, Server, bearer, signalling_application

MESSAGES = [
    b'{"type":"pause"}',
    b'{"version":1,"type":"resume"}',
    b'{"type":"stop"}',
    b'{"type":["stop"]}',
    b'{"type":"calibration_start"}',
    b'{"type":"calibration_point","x":0.5,"y":0.1}',
    b'{"type":"calibration_end"}',
    b"[" * 5000,
]


class Channel:
    """A data channel that is open, and hears."""

    label, readyState, bufferedAmount = "control", "open", 0  # noqa: N815

    def __init__(self) -> None:
        self.sent: list[str] = []

    def on(self, event: str, listener: object) -> None:
        self.listener = listener

    def send(self, text: str) -> None:
        self.sent.append(text)


@given(st.lists(damaged_bytes(MESSAGES) | st.text(max_size=60) | st.just("x" * (MAX_MESSAGE_BYTES + 1)), max_size=60))
@fuzzed
def test_a_message_is_heard_or_answered_with_an_error(messages: list[bytes | str]) -> None:
    heard: list[ClientMessage] = []
    floods: list[None] = []
    channel = Channel()
    # Two seconds between any two: none is too early.
    times = itertools.count(step=2.0)
    metrics = MetricsChannel(heard.append, lambda: floods.append(None), lambda: next(times))
    metrics.add(channel)
    for message in messages:
        channel.listener(message)
    assert len(heard) + len(channel.sent) == len(messages)
    assert {json.loads(text)["type"] for text in channel.sent} <= {"error"}
    assert floods == []


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def http(runner: asyncio.Runner) -> Iterator[TestClient]:
    async def start() -> TestClient:
        application = signalling_application(MemoryPeers(), offers_per_minute=1_000_000)
        client = TestClient(Server(application, header_timeout=10.0))
        await client.start_server()
        return client

    client = runner.run(start())
    yield client
    runner.run(client.close())


PATHS = ["/whip", "/whip/peer-0", "/whip/%00", "/offer", "/ice-servers", "/whip/../offer", "/whip/peer-0?x=%ff"]
QUERIES = [
    "",
    "?continues=x",
    "?consent_at=2026-01-01T00:00:00Z",
    "?consent_at=",
    "?consent_at=99999-01-01",
    "?continues=%00",
]
TYPES = [
    "application/sdp",
    "application/trickle-ice-sdpfrag",
    "application/json",
    "text/plain",
    "x",
    "application/sdp;charset=ñ",
]
header_values = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=30)
headers = st.fixed_dictionaries(
    {"Content-Type": st.sampled_from(TYPES)},
    optional={
        name: header_values | st.sampled_from(['"ice-peer-0"', "*", "gzip", "-1", "bytes=0-"])
        for name in ("If-Match", "Origin", "Forwarded", "X-Forwarded-For", "Accept", "Content-Encoding", "Link")
    },
)
bodies = (
    damaged_text(corpus("*.sdp*"))
    | st.text(max_size=200)
    | st.sampled_from(['{"sdp":1}', '{"sdp":"v=0","type":"offer"}'])
)


@given(
    st.sampled_from(["POST", "PATCH", "DELETE", "OPTIONS", "GET", "PUT", "HEAD"]),
    st.sampled_from(PATHS),
    st.sampled_from(QUERIES),
    headers,
    bodies,
    st.booleans(),
)
@fuzzed
def test_no_request_is_answered_with_a_500(
    runner: asyncio.Runner,
    http: TestClient,
    method: str,
    path: str,
    query: str,
    headers: dict[str, Any],
    body: str,
    with_token: bool,
) -> None:
    async def ask() -> int:
        sent = {"Connection": "close"} | headers | (bearer() if with_token else {})
        async with http.request(method, path + query, data=body.encode(), headers=sent) as response:
            return response.status

    with contextlib.suppress(ClientError, ValueError):  # what aiohttp's own client would not send
        assert runner.run(ask()) < 500

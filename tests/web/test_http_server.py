"""Slow, broken and hostile clients, over real sockets."""

import asyncio
import contextlib
import logging
import socket
import time

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtc_server.web.server import http_server
from rtc_server.web.server.http_server import server_runner
from tests.web.endpoints import OFFER, MemoryPeers, bearer, signalling_application


async def talk(client, *pieces: bytes, pause: float = 0.0) -> bytes:
    """Sends the pieces and reads until the server closes the connection."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        return await reader.read()
    finally:
        writer.close()


def head(*lines: str) -> bytes:
    return "\r\n".join(("POST /whip HTTP/1.1", "Host: x", "Content-Type: application/sdp", *lines, "", "")).encode()


AUTHORIZED = f"Authorization: {bearer()['Authorization']}"


async def test_headers_that_never_end_are_cut_off(serve, peers):
    client = await serve(signalling_application(peers), header_timeout=0.3)
    reader, writer = await asyncio.open_connection(client.host, client.port)
    began = time.monotonic()
    writer.write(b"POST /whip HTTP/1.1\r\n")

    async def drip() -> None:
        # One header after another: the connection is never idle.
        while True:
            writer.write(b"X-Drip: 1\r\n")
            await asyncio.sleep(0.02)

    dripping = asyncio.create_task(drip())
    try:
        with contextlib.suppress(ConnectionError):  # a reset, as we are still sending
            assert await reader.read() == b""
    finally:
        dripping.cancel()
        writer.close()
    assert time.monotonic() - began < 5


async def test_a_connection_that_says_nothing_is_closed(serve, peers):
    client = await serve(signalling_application(peers), header_timeout=0.2)

    assert await talk(client) == b""


async def test_a_body_that_does_not_come_gets_408_and_leaves_nothing(serve, peers):
    client = await serve(signalling_application(peers, body_timeout=0.2))

    answer = await talk(client, head(AUTHORIZED, "Content-Length: 100"), b"v=0")

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"Connection: close" in answer
    assert b'"code": "too_slow"' in answer
    assert peers.live == {}


async def test_a_body_that_drips_gets_408(serve, peers):
    client = await serve(signalling_application(peers, body_timeout=0.2))
    drips = [b"1\r\nv\r\n"] * 15

    answer = await talk(client, head(AUTHORIZED, "Transfer-Encoding: chunked"), *drips, pause=0.02)

    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_chunked_body_is_cut_off_at_its_limit(client):
    chunk = b"400\r\n" + b" " * 1024 + b"\r\n"

    answer = await talk(client, head(AUTHORIZED, "Transfer-Encoding: chunked"), chunk * 33)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"Connection: close" in answer
    assert b'"code": "offer_malformed"' in answer


@pytest.mark.parametrize(
    ("framing", "body"),
    [("Content-Length: 900000", b""), ("Transfer-Encoding: chunked", b"8400\r\n" + b" " * 33 * 1024)],
)
@pytest.mark.parametrize("headers", [(), (AUTHORIZED,)])
async def test_a_long_body_that_is_refused_is_not_waited_for(serve, peers, monkeypatch, framing, body, headers):
    monkeypatch.setattr(http_server, "LINGERING_S", 60.0)
    client = await serve(signalling_application(peers))

    async with asyncio.timeout(5):
        answer = await talk(client, head(*headers, framing), body)

    assert answer.startswith(b"HTTP/1.1 400 " if headers else b"HTTP/1.1 401 ")
    assert b"Connection: close" in answer


async def test_a_short_body_that_is_refused_is_let_in_and_the_connection_goes_on(client):
    answer = await talk(
        client,
        head("Content-Length: 6"),
        b"v=0",
        b"v=0" + head("Content-Length: 3", "Connection: close") + b"v=0",
        pause=0.02,
    )

    assert answer.count(b"HTTP/1.1 401 ") == 2


async def test_others_are_served_while_one_is_slow(serve, peers):
    client = await serve(signalling_application(peers, body_timeout=1.0))
    slow = [asyncio.create_task(talk(client, head(AUTHORIZED, "Content-Length: 9"), b"v")) for _ in range(50)]
    await asyncio.sleep(0)

    response = await client.post("/whip", data=OFFER, headers=bearer() | {"Content-Type": "application/sdp"})

    assert response.status == 201
    assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in await asyncio.gather(*slow))


async def test_a_client_that_does_not_read_is_cut_off():
    cut_off = asyncio.Event()

    async def pour(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(b" " * 65536)
        cut_off.set()
        return response

    application = web.Application()
    application.router.add_get("/", pour)
    runner = server_runner(application, header_timeout=10, stalled_timeout=0.3)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    with socket.create_connection(runner.addresses[0][:2]) as deaf:
        deaf.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(10):
            await cut_off.wait()
    await runner.cleanup()


@pytest.mark.parametrize("framing", ["Content-Length: 100", "Transfer-Encoding: chunked"])
async def test_a_client_that_goes_away_leaves_nothing_behind(client, peers, caplog, framing):
    caplog.set_level(logging.INFO)
    _, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(head(AUTHORIZED, framing) + b"5\r\nv=0")
    await writer.drain()
    writer.transport.abort()
    async with asyncio.timeout(5):
        while not caplog.records:  # noqa: ASYNC110 - nothing else tells that the request is over
            await asyncio.sleep(0.01)

    assert [(record.message, record.status) for record in caplog.records] == [("request", 400)]
    assert peers.live == {}


async def test_what_is_not_http_gets_400_and_no_line_in_the_log(client, caplog):
    answer = await talk(client, b"GET / HTTP/1.1\r\nHost: x\r\nX-Secret\x00: 1\r\n\r\n")

    assert answer.startswith(b"HTTP/1.0 400 ")
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "Authorization",
            "Content-Type",
            "Content-Encoding",
            "If-Match",
            "Forwarded",
            "X-Forwarded-For",
            "Origin",
            "Access-Control-Request-Method",
            "Accept",
            "Range",
        ]
    ),
    st.text(st.characters(codec="latin-1", min_codepoint=32, exclude_characters="\x7f"), max_size=60)
    | st.sampled_from(
        ["application/sdp", "application/json", "*", '"', 'W/"', "Bearer ", "bearer a.b.c", "br", "gzip"]
    ),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"]),
    path=st.sampled_from(
        ["/whip", "/whip/peer-0", "/whip/%00", "/whip/..%2f", "/offer", "/ice-servers", "/", "//", "*"]
    ),
    query=st.text(st.sampled_from("&=%+continues_at2026-:TZ\u00e9"), max_size=40),
    headers=HEADERS,
    body=st.binary(max_size=200),
    signed=st.booleans(),
)
async def test_no_request_is_ever_a_500(client, method, path, query, headers, body, signed):
    lines = [f"{name}: {value}" for name, value in headers.items() if not (signed and name == "Authorization")]
    if signed:
        lines.append(AUTHORIZED)
    request = f"{method} {path}?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"

    answer = await talk(client, request.encode() + "\r\n".join([*lines, "", ""]).encode("latin-1"), body)

    assert answer.startswith(b"HTTP/1.")
    assert int(answer.split(b" ", 2)[1]) < 500


async def test_slow_clients_push_out_each_other_and_nobody_else():
    runner = server_runner(signalling_application(MemoryPeers()), header_timeout=30, max_connections=4)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = runner.addresses[0][:2]
    slow = []
    try:
        for _ in range(8):
            slow.append(await asyncio.open_connection(*address))
            slow[-1][1].write(b"POST /whip HTTP/1.1\r\nX-Slow")
            await asyncio.sleep(0.02)
        for _ in range(3):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"OPTIONS /whip HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 200")
            writer.close()
        for reader, _ in slow[:4]:
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        assert runner.server is not None
        assert len(runner.server.connections) <= 4
    finally:
        for _, writer in slow:
            writer.close()
        await runner.cleanup()

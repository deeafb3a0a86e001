"""What somebody may send who knows the address and has no token. Every rate and every time is bounded by the caller."""

import asyncio
import json
import random
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from itertools import cycle

import aiohttp

from rtc_server.learner import Learner
from rtc_server.web.access.auth import mint_token
from tests.sdp.offers import offer

Address = tuple[str, int]

FORGED_SECRET = "not the secret that the server knows, 32 bytes"
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"
SDP, FRAGMENT = "application/sdp", "application/trickle-ice-sdpfrag"
TICK_S = 0.01

Status = str
"""As HTTP has it, or the name of the error where the server hung up."""


def datagrams(seed: int = 4) -> Iterator[bytes]:
    """Junk of every kind that a media port could mistake for something, without end, the same at each run."""
    dice = random.Random(seed)
    kinds: list[Callable[[], bytes]] = [
        lambda: b"",
        lambda: dice.randbytes(dice.randrange(1, 1400)),
        lambda: b"\x80" + dice.randbytes(1600),
        lambda: _stun(dice, username=None),
        lambda: _stun(dice, username=b"abcd:efgh"),
        lambda: _stun(dice, username=None, kind=0x0101),
        lambda: _stun(dice, username=None)[:-3],
        lambda: (
            struct.pack("!BBHLL", 0x80, 97, dice.randrange(2**16), dice.randrange(2**32), dice.randrange(2**32))
            + dice.randbytes(900)
        ),
        lambda: struct.pack("!BBHL", 0x81, 201, 7, dice.randrange(2**32)) + dice.randbytes(40),
        lambda: _client_hello(dice),
        lambda: bytes.fromhex("15fefd00000000000000000002") + b"\x02\x28",
    ]
    return (kind() for kind in cycle(kinds))


def _stun(dice: random.Random, *, username: bytes | None, kind: int = 0x0001) -> bytes:
    """A Binding request or response (RFC 8489) with a MESSAGE-INTEGRITY that is none."""
    attributes = b""
    if username is not None:
        attributes += struct.pack("!HH", 0x0006, len(username)) + username + bytes(-len(username) % 4)
    attributes += struct.pack("!HH", 0x0008, 20) + dice.randbytes(20)
    return struct.pack("!HHL", kind, len(attributes), 0x2112A442) + dice.randbytes(12) + attributes


def _client_hello(dice: random.Random) -> bytes:
    """DTLS 1.2 (RFC 6347, 4.2), with one cipher and no extension."""
    body = b"\xfe\xfd" + dice.randbytes(32) + b"\x00\x00" + b"\x00\x02\xc0\x2b" + b"\x01\x00"
    length = len(body).to_bytes(3, "big")
    handshake = b"\x01" + length + b"\x00\x00" + b"\x00\x00\x00" + length + body
    return b"\x16\xfe\xfd" + bytes(8) + len(handshake).to_bytes(2, "big") + handshake


async def send_datagrams(targets: Sequence[Address], count: int, per_second: float, sockets: int = 8) -> int:
    """From several sockets in turn to all targets in turn; returns how many left."""
    junk, sent = datagrams(), 0
    with ExitStack() as owned:
        senders = [_udp_socket(owned, target, index) for target in targets for index in range(sockets)]
        pairs = cycle(senders)
        began = time.monotonic()
        while sent < count:
            due = min(count, int((time.monotonic() - began) * per_second) + 1)
            while sent < due:
                sender, target = next(pairs)
                with suppress(OSError):
                    sender.sendto(next(junk), target)
                sent += 1
            await asyncio.sleep(TICK_S)
    return sent


def _udp_socket(owned: ExitStack, target: Address, _index: int) -> tuple[socket.socket, Address]:
    family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
    sender = owned.enter_context(socket.socket(family, socket.SOCK_DGRAM))
    sender.setblocking(False)
    return sender, target


async def slow_requests(server: Address, connections: int, seconds: float, *, bodies: bool) -> int:
    """Keeps `connections` open at once, each a byte or so a second; a new one where the server hangs up.

    Of headers that never end, or of bodies, with a forged token. Returns how often the server hung up.
    """
    ends = time.monotonic() + seconds
    hung_up = await asyncio.gather(*(_slow_request(server, ends, bodies) for _ in range(connections)))
    return sum(hung_up)


async def _slow_request(server: Address, ends: float, bodies: bool) -> int:
    hung_up = 0
    head = b"POST /whip HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\n"
    if bodies:
        head += f"Authorization: Bearer {forged_token()}\r\nContent-Length: 20000\r\n\r\n".encode()
    while time.monotonic() < ends:
        try:
            async with asyncio.timeout(max(0.0, ends - time.monotonic())):
                reader, writer = await asyncio.open_connection(*server)
        except (OSError, TimeoutError):
            await asyncio.sleep(0.5)
            continue
        try:
            writer.write(head)
            async with asyncio.timeout(max(0.0, ends - time.monotonic())):
                while not reader.at_eof() and not writer.is_closing():
                    writer.write(b"a" if bodies else b"X-Slow: a\r\n")
                    await writer.drain()
                    await _wait_for_answer(reader)
        except TimeoutError:
            break
        except OSError:
            pass
        finally:
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()
        hung_up += 1
        # Bounded: at most one new connection a second from each of these.
        await asyncio.sleep(min(1.0, max(0.0, ends - time.monotonic())))
    return hung_up


async def _wait_for_answer(reader: asyncio.StreamReader) -> None:
    try:
        async with asyncio.timeout(1.0):
            while await reader.read(4096):
                pass
    except TimeoutError:
        pass


def forged_token(learner: Learner | None = None) -> str:
    return mint_token(FORGED_SECRET, learner or Learner(1, 1), audience="rtc-server")


Request = tuple[str, str, dict[str, str], bytes]
"""Method, path, headers, body."""


def requests_without_a_right(peer_id: str = "x", focus_session_id: str = UNKNOWN_ID) -> list[Request]:
    """Each way to write, to read or to end something, as a stranger would try it."""
    good = offer().encode()
    session = f"/whip/{peer_id}"
    forged = {"Authorization": f"Bearer {forged_token()}"}
    none = {"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIiwibW9kdWxlX2lkIjoxfQ."}
    json_type, sdp_type, fragment_type = ({"Content-Type": name} for name in ("application/json", SDP, FRAGMENT))
    as_json = json.dumps({"sdp": offer(), "type": "offer"}).encode()
    requests: list[Request] = []
    for claim in ({}, forged, none, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer " + "a." * 2000}):
        requests += [
            ("POST", "/whip", sdp_type | claim, good),
            ("POST", "/whip", sdp_type | claim, b"v=0" * 300_000),
            ("POST", "/offer", json_type | claim, as_json),
            ("POST", "/offer", json_type | claim, b"[" * 100_000),
            ("PATCH", session, fragment_type | claim, b"a=mid:0\r\n"),
            ("DELETE", session, claim, b""),
            ("GET", f"/focus-sessions/{focus_session_id}", claim, b""),
            ("GET", "/ice-servers", claim, b""),
        ]
    requests += [("GET", f"/whip?token={forged_token()}", {}, b""), ("GET", "/static/../../pyproject.toml", {}, b"")]
    return requests


async def send_requests(url: str, requests: Sequence[Request], per_second: float, seconds: float) -> Counter[Status]:
    """Over a few connections, in turn; an answer late holds up the next."""
    statuses: Counter[Status] = Counter()
    began = time.monotonic()
    timeout = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=8)) as http:
        sending: set[asyncio.Task[None]] = set()
        for index, request in enumerate(cycle(requests)):
            if time.monotonic() > began + seconds:
                break
            await asyncio.sleep(max(0.0, began + index / per_second - time.monotonic()))
            task = asyncio.create_task(_send(http, url, request, statuses))
            sending.add(task)
            task.add_done_callback(sending.discard)
            if len(sending) >= 16:
                await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.gather(*sending)
    return statuses


async def _send(http: aiohttp.ClientSession, url: str, request: Request, statuses: Counter[Status]) -> None:
    method, path, headers, body = request
    try:
        async with http.request(method, url.rstrip("/") + path, headers=headers, data=body) as response:
            await response.read()
            statuses[str(response.status)] += 1
    except (aiohttp.ClientError, TimeoutError) as error:
        statuses[type(error).__name__] += 1

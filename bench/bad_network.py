"""A bad network between a client and the server: a UDP relay that loses, delays and reorders by a seeded plan."""

import asyncio
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, cast

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Conditions:
    """What happens to a datagram, in each direction alike."""

    loss: float = 0.0
    """Share of datagrams lost, in the long run."""
    burst: float = 1.0
    """Mean length of a run of lost datagrams; 1 loses each by itself (Gilbert's model, 1960)."""
    outage_s: float = 0.0
    """Mean length of a time in which every datagram is lost; above 0 it is time that `loss` is a share of.

    What fails on a radio link fails for a while, however much is sent meanwhile. A run counted in datagrams lasts
    the longer the fewer there are: on the way back, with seventeen a second, four of them are a quarter of a second.
    """
    delay_s: float = 0.0
    jitter_s: float = 0.0
    """Up to so much more delay, evenly spread; overtaking is allowed."""
    reordered: float = 0.0
    """Share of datagrams held back for 20 ms, so that those behind them come first."""


HELD_BACK_S = 0.020


class Fate:
    """Draws what happens to each datagram of one direction."""

    def __init__(self, conditions: Conditions, seed: int) -> None:
        self._conditions = conditions
        self._random = random.Random(seed)
        self._losing = False
        self._outage: tuple[float, float] | None = None
        """From when to when, the one that is or will be next."""

    def delay_s(self, now: float) -> float | None:
        """Of a datagram that is sent `now`, which never goes back. None: it is lost."""
        if self._lost(now):
            return None
        held = HELD_BACK_S if self._random.random() < self._conditions.reordered else 0.0
        return self._conditions.delay_s + self._random.uniform(0, self._conditions.jitter_s) + held

    def _lost(self, now: float) -> bool:
        """Two states, one of which loses everything; they change so that both means come out right."""
        loss, burst = self._conditions.loss, max(self._conditions.burst, 1.0)
        if self._conditions.outage_s > 0.0 and loss > 0.0:
            return self._is_outage(now)
        if burst == 1.0 or loss == 0.0:
            return self._random.random() < loss
        leave = 1 / burst
        enter = leave * loss / (1 - loss)
        self._losing = self._random.random() < (1 - leave if self._losing else enter)
        return self._losing

    def _is_outage(self, now: float) -> bool:
        outage_s, loss = self._conditions.outage_s, self._conditions.loss
        starts, ends = self._outage or (now, now)
        while now >= ends:
            starts = ends + self._random.expovariate(loss / (1 - loss) / outage_s)
            ends = starts + self._random.expovariate(1 / outage_s)
        self._outage = starts, ends
        return now >= starts


class BadNetwork:
    """Stands between one client and one server. Kind until `worsen` is called."""

    def __init__(self, server: Address, seed: int) -> None:
        self._server = server
        self._seed = seed
        self._client: Address | None = None
        self._towards_server, self._towards_client = _Side(self._from_server), _Side(self._from_client)
        self.worsen(Conditions())

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        # The client knows the relay by one port, the server by another: both sides answer to where it came from.
        await loop.create_datagram_endpoint(lambda: self._towards_client, local_addr=(self._server[0], 0))
        await loop.create_datagram_endpoint(lambda: self._towards_server, local_addr=(self._server[0], 0))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._towards_server.transport.close()
        self._towards_client.transport.close()

    @property
    def address(self) -> Address:
        """Where the client is to send."""
        host, port = self._towards_client.transport.get_extra_info("sockname")[:2]
        return host, port

    def worsen(self, conditions: Conditions) -> None:
        self._to_server_fate = Fate(conditions, self._seed)
        self._to_client_fate = Fate(conditions, self._seed + 1)

    def _from_client(self, data: bytes, sender: Address) -> None:
        self._client = sender
        self._forward(self._towards_server.transport, self._to_server_fate, data, self._server)

    def _from_server(self, data: bytes, _sender: Address) -> None:
        if self._client is not None:
            self._forward(self._towards_client.transport, self._to_client_fate, data, self._client)

    @staticmethod
    def _forward(transport: asyncio.DatagramTransport, fate: Fate, data: bytes, to: Address) -> None:
        loop = asyncio.get_running_loop()
        delay_s = fate.delay_s(loop.time())
        if delay_s is None:
            return
        if delay_s == 0.0:
            transport.sendto(data, to)
            return

        def send() -> None:
            if not transport.is_closing():
                transport.sendto(data, to)

        loop.call_later(delay_s, send)


class _Side(asyncio.DatagramProtocol):
    transport: asyncio.DatagramTransport

    def __init__(self, received: Callable[[bytes, Address], None]) -> None:
        self._received = received

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is one in all but its class.
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, sender: Address) -> None:
        self._received(data, sender)


_CANDIDATE = re.compile(r"^a=candidate:(\S+) (\d+) udp (\d+) (\S+) (\d+) typ host.*$", re.MULTILINE | re.IGNORECASE)


def first_candidate(sdp: str) -> Address:
    """The first IPv4 host candidate over UDP. Raises ValueError where there is none."""
    for found in _CANDIDATE.finditer(sdp):
        if ":" not in found[4]:
            return found[4], int(found[5])
    raise ValueError("The answer names no IPv4 candidate.")


def with_only_candidate(sdp: str, address: Address) -> str:
    """The same SDP with one candidate in each section that had some, at `address`."""
    lines: list[str] = []
    for line in sdp.splitlines():
        if not line.startswith("a=candidate:"):
            lines.append(line)
        elif not lines[-1].startswith("a=candidate:"):
            lines.append(f"a=candidate:1 1 udp 2130706431 {address[0]} {address[1]} typ host")
    return "\r\n".join(lines) + "\r\n"

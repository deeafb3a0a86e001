"""Asks a STUN or TURN server for what a browser will ask it for."""

import asyncio
import socket
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from aioice import stun, turn

from rtc_server.relay.turn_url import TurnUrl

DEADLINE_S = 5.0
_CHANNEL = 0x4000
"""The first of a fresh allocation."""
_DISCARD_PORT = 9
"""A permission is for an address; the port is never used."""

TurnClient = turn.TurnClientUdpProtocol | turn.TurnClientTcpProtocol


class ProbeFailed(Exception):
    """Its text says what was wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Allocation:
    """What the relay gave."""

    relayed_host: str
    elapsed_ms: float
    """From the first packet to the allocation; with the handshake, under TCP and TLS."""


async def reflexive_address(host: str, port: int) -> tuple[str, float]:
    """This host's address as a STUN server sees it, and the milliseconds it took. Raises ProbeFailed."""
    loop = asyncio.get_running_loop()
    request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    started = time.perf_counter()
    try:
        async with asyncio.timeout(DEADLINE_S):
            transport, listener = await loop.create_datagram_endpoint(_FirstDatagram, remote_addr=(host, port))
            try:
                transport.sendto(bytes(request))
                response = stun.parse_message(await listener.datagram)
            finally:
                transport.close()
    except (OSError, TimeoutError, ValueError) as error:
        raise ProbeFailed(f"{_why(error)}: is UDP to {host}:{port} open?") from None
    address: str = response.attributes["XOR-MAPPED-ADDRESS"][0]
    return address, (time.perf_counter() - started) * 1e3


async def allocate(url: TurnUrl, username: str | None, credential: str | None, peers: Iterable[str] = ()) -> Allocation:
    """Opens a relay, asks whether it may reach each of the peers' addresses, and closes it. Raises ProbeFailed.

    Nothing is sent to the peers.
    """
    client: TurnClient | None = None
    started = time.perf_counter()
    try:
        async with asyncio.timeout(DEADLINE_S):
            client = await _connect(url, username, credential)
            relayed_host, _ = await client.connect()
            elapsed_ms = (time.perf_counter() - started) * 1e3
            try:
                for number, peer in enumerate(peers):
                    await _permit(client, _CHANNEL + number, peer)
            finally:
                await client.delete()
    except (OSError, TimeoutError, stun.TransactionError) as error:
        raise ProbeFailed(_advice(url, error)) from None
    finally:
        if client is not None:
            client.transport.close()
    return Allocation(relayed_host, elapsed_ms)


class _FirstDatagram(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.datagram: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        if not self.datagram.done():
            self.datagram.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.datagram.done():
            self.datagram.set_exception(exc)


async def _connect(url: TurnUrl, username: str | None, credential: str | None) -> TurnClient:
    loop = asyncio.get_running_loop()
    address = (url.host, url.port)
    common = (username, credential, turn.DEFAULT_ALLOCATION_LIFETIME, turn.DEFAULT_CHANNEL_REFRESH_TIME)
    client: TurnClient
    if url.transport == "tcp":
        context = ssl.create_default_context() if url.scheme == "turns" else None
        _, client = await loop.create_connection(
            lambda: turn.TurnClientTcpProtocol(address, *common), *address, ssl=context
        )
    else:
        _, client = await loop.create_datagram_endpoint(
            lambda: turn.TurnClientUdpProtocol(address, *common), remote_addr=address
        )
    return client


async def _permit(client: TurnClient, channel: int, peer: str) -> None:
    try:
        await client.channel_bind(channel, (peer, _DISCARD_PORT))
    except stun.TransactionFailed as refusal:
        raise ProbeFailed(
            f"it may not reach {peer}, where this server takes media ({_reason(refusal)}): {_permission(peer)}"
        ) from None


def _permission(peer: str) -> str:
    command = f"`rtc-server turn-config --peer {peer}`"
    if ip_address(peer).is_loopback:
        return (
            f"coturn needs both allowed-peer-ip={peer} and allow-loopback-peers, as {command} writes them. Write its "
            "configuration with that and restart it, or set RTC_ICE_ADDRESSES to an address that is not loopback"
        )
    return f"write its configuration with {command} and restart it"


def _advice(url: TurnUrl, error: Exception) -> str:
    if isinstance(error, stun.TransactionFailed):
        if error.response.error_code == 401:
            return "it refuses our credential: its static-auth-secret is not RTC_TURN_SECRET, or the two clocks differ"
        return f"it refuses: {_reason(error)}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid for {url.host}: {error.verify_message}"
    return f"{_why(error)}: is it running, and is {url.name} port {url.port} open?"


def _reason(refusal: stun.TransactionFailed) -> str:
    code, words = refusal.response.attributes["ERROR-CODE"]
    return f"{code} {words}"


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError | stun.TransactionTimeout):
        return f"no answer in {DEADLINE_S:.0f} s"
    if isinstance(error, socket.gaierror):
        return "no such host name"
    return (getattr(error, "strerror", None) or type(error).__name__).lower()

"""What coturn does under our configuration, asked in its own protocol."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aioice import stun, turn

from rtc_server.web.ice_servers import IceServer
from tests.turn.relay import RunningRelay, loopback_relay, running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("relay")


@pytest.fixture(scope="module")
def relay(folder: Path) -> Iterator[RunningRelay]:
    """As in production: nothing private may be reached."""
    with running(loopback_relay(folder), folder) as started:
        yield started


@pytest.fixture
def relay_to_loopback(tmp_path: Path) -> Iterator[RunningRelay]:
    values = replace(loopback_relay(tmp_path, names=("UDP",)), peers=("127.0.0.1",))
    with running(values, tmp_path) as started:
        yield started


class Client(asyncio.DatagramProtocol):
    """What stands behind an allocation, and keeps what the relay brings."""

    def __init__(self) -> None:
        self.received: asyncio.Queue[bytes] = asyncio.Queue()
        self.lost = asyncio.Event()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.received.put_nowait(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()


@asynccontextmanager
async def allocation(
    relay: RunningRelay, credential: IceServer, name: str = "UDP"
) -> AsyncIterator[tuple[turn.TurnTransport, Client]]:
    (url,) = (url for url in relay.relay.urls if url.name == name)
    context = ssl.create_default_context(cafile=relay.relay.certificate) if name == "TLS" else None
    transport, client = await turn.create_turn_endpoint(
        Client,
        server_addr=(url.host, url.port),
        username=credential.username,
        password=credential.credential,
        ssl=context,
        transport=url.transport,
    )
    try:
        yield transport, client
    finally:
        transport.close()
        await client.lost.wait()


@pytest.mark.parametrize("name", ["UDP", "TCP", "TLS"])
async def test_a_credential_of_the_server_opens_a_relay(relay: RunningRelay, name: str) -> None:
    async with allocation(relay, relay.credential(), name) as (transport, _):
        address, port = transport.get_extra_info("sockname")
        assert address == "127.0.0.1"
        assert relay.relay.relay_ports.first <= port <= relay.relay.relay_ports.last


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"secret": "not the secret, though as long as it should be"}, id="forged"),
        pytest.param({"now": 1_000_000_000.0}, id="expired"),
    ],
)
@pytest.mark.parametrize("name", ["UDP", "TCP", "TLS"])
async def test_an_expired_or_forged_credential_is_refused(
    relay: RunningRelay, wrong: dict[str, object], name: str
) -> None:
    with pytest.raises(stun.TransactionFailed) as refusal:
        async with allocation(relay, relay.credential(**wrong), name):
            pass
    assert refusal.value.response.error_code == 401


async def test_without_a_credential_there_is_no_relay(relay: RunningRelay) -> None:
    with pytest.raises(stun.TransactionFailed) as refusal:
        async with allocation(relay, IceServer(relay.urls)):
            pass
    assert refusal.value.response.error_code == 401


DENIED = [
    "127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.254", "192.168.1.1", "100.64.0.1",
    "169.254.169.254", "192.0.2.1", "198.18.0.1", "198.51.100.1", "224.0.0.1", "239.255.255.250", "255.255.255.255",
]  # fmt: skip


DENIED_IPV6 = [
    "::", "::1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "fe80::1", "fc00::1", "fd00:ec2::254", "64:ff9b::a00:1",
    "64:ff9b:1::1", "2002:a00:1::1", "2001:0:1::1", "2001:db8::1", "100::1", "ff02::1",
]  # fmt: skip


@pytest.fixture(scope="module")
def relay_over_ipv6(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRelay]:
    folder = tmp_path_factory.mktemp("relay")
    values = loopback_relay(folder, names=("UDP",), host="::1")
    with running(values, folder, ("allocation-default-address-family=keep",)) as started:
        yield started


@pytest.mark.parametrize("address", DENIED)
async def test_the_relay_refuses_to_reach_a_denied_address(relay: RunningRelay, address: str) -> None:
    assert await _refusal(relay, address) == 403


@pytest.mark.parametrize("address", DENIED_IPV6)
async def test_the_relay_refuses_to_reach_a_denied_ipv6_address(relay_over_ipv6: RunningRelay, address: str) -> None:
    assert await _refusal(relay_over_ipv6, address) in {403, 443}


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "172.32.0.1", "192.167.255.255", "100.63.255.255"])
async def test_the_relay_reaches_public_addresses(relay: RunningRelay, address: str) -> None:
    assert await _refusal(relay, address) is None


async def test_the_relay_reaches_public_ipv6_addresses(relay_over_ipv6: RunningRelay) -> None:
    assert await _refusal(relay_over_ipv6, "2606:4700:4700::1111") is None


async def test_the_relay_carries_both_ways_to_an_allowed_address(relay_to_loopback: RunningRelay) -> None:
    loop = asyncio.get_running_loop()
    listener, peer = await loop.create_datagram_endpoint(Client, local_addr=("127.0.0.1", 0))
    async with allocation(relay_to_loopback, relay_to_loopback.credential()) as (transport, client):
        transport.sendto(b"to the peer", listener.get_extra_info("sockname"))
        assert await peer.received.get() == b"to the peer"
        listener.sendto(b"and back", transport.get_extra_info("sockname"))
        assert await client.received.get() == b"and back"
    listener.close()
    await peer.lost.wait()


async def test_where_peers_are_named_a_public_address_is_denied_too(relay_to_loopback: RunningRelay) -> None:
    assert await _refusal(relay_to_loopback, "8.8.8.8") == 403


async def test_a_user_holds_no_more_relays_than_the_quota(tmp_path: Path) -> None:
    values = replace(loopback_relay(tmp_path, names=("UDP",)), user_quota=1)
    with running(values, tmp_path) as relay:
        async with allocation(relay, relay.credential()):
            with pytest.raises(stun.TransactionFailed) as refusal:
                # A fresh credential of the same user is the same user.
                async with allocation(relay, relay.credential(ttl_s=900)):
                    pass
            assert refusal.value.response.error_code == 486


async def test_it_tells_nobody_its_version(relay: RunningRelay) -> None:
    loop = asyncio.get_running_loop()
    url = relay.relay.urls[0]
    transport, client = await loop.create_datagram_endpoint(Client, remote_addr=(url.host, url.port))
    request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    transport.sendto(bytes(request))
    answer = stun.parse_message(await client.received.get())
    assert set(answer.attributes) <= {"XOR-MAPPED-ADDRESS", "FINGERPRINT"}
    transport.close()
    await client.lost.wait()


async def _refusal(relay: RunningRelay, address: str) -> int | None:
    """Asks the relay for a channel to the address; nothing is sent to it."""
    async with allocation(relay, relay.credential()) as (transport, _):
        try:
            await transport._TurnTransport__inner_protocol.channel_bind(0x4000, (address, 9))
        except stun.TransactionFailed as refusal:
            return refusal.response.error_code
    return None

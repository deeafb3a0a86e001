"""Where a peer's sockets are, and what the browser is told of them. These fail when aioice gathers otherwise."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address

import pytest
from aioice import Candidate, Connection, TransportPolicy

from rtc_server.errors import ServerFull
from rtc_server.transport.ice_gathering import IceGathering, gather_with

LOOPBACK = (ip_address("127.0.0.1"),)


@asynccontextmanager
async def gathered(gathering: IceGathering, **options: object) -> AsyncIterator[Connection]:
    connection = Connection(**{"ice_controlling": False} | options)
    gather_with(connection, gathering)
    try:
        await connection.gather_candidates()
        yield connection
    finally:
        await connection.close()


def free_ports(count: int) -> range:
    """Consecutive UDP ports that nobody on 127.0.0.1 uses at this moment."""
    first = 20_000
    while True:
        try:
            for port in range(first, first + count):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            first += count
        else:
            return range(first, first + count)


async def test_the_port_comes_from_the_range() -> None:
    ports = free_ports(3)
    async with gathered(IceGathering(ports=ports, addresses=LOOPBACK)) as connection:
        (candidate,) = connection.local_candidates
        assert candidate.host == "127.0.0.1"
        assert candidate.port in ports


async def test_peers_share_the_range_until_it_is_used_up() -> None:
    ports = free_ports(2)
    gathering = IceGathering(ports=ports, addresses=LOOPBACK)
    async with gathered(gathering) as one, gathered(gathering) as other:
        assert {c.port for connection in (one, other) for c in connection.local_candidates} == set(ports)
        with pytest.raises(ServerFull):
            async with gathered(gathering):
                pass
    async with gathered(gathering) as again:
        assert again.local_candidates[0].port in ports


async def test_the_public_address_is_offered_and_the_own_one_bound() -> None:
    gathering = IceGathering(
        addresses=LOOPBACK, public_addresses=(ip_address("2001:db8::9"), ip_address("203.0.113.9"))
    )
    async with gathered(gathering) as connection:
        (candidate,) = connection.local_candidates
        assert (candidate.host, candidate.type) == ("203.0.113.9", "host")
        (protocol,) = connection._protocols
        assert protocol.transport.get_extra_info("sockname") == ("127.0.0.1", candidate.port)


async def test_a_public_address_replaces_only_its_own_ip_version() -> None:
    both = (*LOOPBACK, ip_address("::1"))
    async with gathered(IceGathering(addresses=both, public_addresses=(ip_address("203.0.113.9"),))) as connection:
        assert [candidate.host for candidate in connection.local_candidates] == ["203.0.113.9", "::1"]


async def test_by_default_every_address_but_loopback_is_used() -> None:
    plain = Connection(ice_controlling=False)
    await plain.gather_candidates()
    expected = {candidate.host for candidate in plain.local_candidates}
    await plain.close()
    async with gathered(IceGathering()) as connection:
        assert {candidate.host for candidate in connection.local_candidates} == expected


async def test_an_address_that_is_gone_leaves_the_others(caplog: pytest.LogCaptureFixture) -> None:
    addresses = (ip_address("203.0.113.1"), *LOOPBACK)
    async with gathered(IceGathering(addresses=addresses)) as connection:
        assert [candidate.host for candidate in connection.local_candidates] == ["127.0.0.1"]
    assert "An address cannot take media." in caplog.text


async def test_a_connection_that_may_use_only_the_relay_binds_nothing() -> None:
    gathering = IceGathering(addresses=LOOPBACK)
    async with gathered(gathering, transport_policy=TransportPolicy.RELAY) as connection:
        assert connection.local_candidates == []


async def test_two_ends_connect_through_the_mapped_address() -> None:
    """The server offers a public address; the client reaches it where the NAT (here: this test) maps it to."""
    gathering = IceGathering(ports=free_ports(4), addresses=LOOPBACK, public_addresses=(ip_address("203.0.113.9"),))
    client_gathering = IceGathering(addresses=LOOPBACK)
    async with gathered(gathering) as server, gathered(client_gathering, ice_controlling=True) as client:
        offered = server.local_candidates[0]
        mapped = Candidate.from_sdp(offered.to_sdp().replace("203.0.113.9", "127.0.0.1"))
        await client.add_remote_candidate(mapped)
        await client.add_remote_candidate(None)
        # As in the server: the browser's candidates are not used, its checks make the pair.
        client.remote_username, client.remote_password = server.local_username, server.local_password
        server.remote_username, server.remote_password = client.local_username, client.local_password
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            group.create_task(client.connect())
            group.create_task(server.connect())
        await client.send(b"media")
        assert await server.recv() == b"media"


async def test_other_connections_are_left_as_they_are() -> None:
    before = Connection.get_component_candidates
    async with gathered(IceGathering(addresses=LOOPBACK)):
        assert Connection.get_component_candidates is before

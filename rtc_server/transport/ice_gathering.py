"""Where media may come in: this host's addresses and ports, as the network in front of it needs them.

aioice binds one UDP socket for each address, on any port, and offers the address it bound. Behind a
firewall the ports must come from a known range; behind one-to-one NAT the address offered must be the
public one; and a host that browsers cannot reach at all takes media through the relay alone.
"""

import asyncio
import errno
import logging
import random
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from types import MethodType

from aioice import Candidate, Connection
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import StunProtocol
from aioice.turn import UDP_SOCKET_BUFFER_SIZE

from rtc_server.errors import ServerFull

logger = logging.getLogger(__name__)

Address = IPv4Address | IPv6Address

RETRY_AFTER_S = 5.0
DISCARD_PORT = 9


@dataclass(frozen=True, slots=True)
class IceGathering:
    """How one server's peers gather. The default is what aioice does by itself."""

    ports: range | None = None
    """UDP ports to bind; None for any that the system gives."""
    addresses: tuple[Address, ...] = ()
    """Addresses of this host to bind; empty for all but loopback."""
    public_addresses: tuple[Address, ...] = ()
    """Offered in place of the bound ones of the same IP version: NAT maps them one to one, ports unchanged."""


def gather_with(connection: Connection, gathering: IceGathering, clients: Sequence[str] = ()) -> None:
    """Makes a connection gather so. Call it before `gather_candidates`, which then raises ServerFull when
    every port of the range is taken.

    clients: addresses from which the other end may come in through our relay, where there is one. It may
    always come through the same relay itself.

    Only this connection changes; aioice's other ones, such as a client's in the same process, do not.
    """

    async def get_component_candidates(
        connection: Connection, component: int, addresses: list[str], timeout: int = 5
    ) -> list[Candidate]:
        # Without addresses this is a connection that may use nothing but the relay.
        chosen = list(map(str, gathering.addresses)) or addresses if addresses else []
        host_candidates = []
        for address in chosen:
            try:
                host_candidates.append(await _bind(connection, component, address, gathering))
            except OSError as error:
                # An address may be just coming or going; the others do.
                logger.warning("An address cannot take media.", extra={"address": address, "error": str(error)})
        relayed = await Connection.get_component_candidates(connection, component, [], timeout)
        _open_relay(connection, clients)
        return host_candidates + relayed

    connection.get_component_candidates = MethodType(get_component_candidates, connection)  # type: ignore[method-assign]


async def _bind(connection: Connection, component: int, address: str, gathering: IceGathering) -> Candidate:
    """Opens the socket that stands behind one host candidate, and returns the candidate to offer."""
    protocol = await _endpoint(connection, address, gathering.ports)
    connection._protocols.append(protocol)
    bound: socket.socket = protocol.transport.get_extra_info("socket")
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UDP_SOCKET_BUFFER_SIZE)
    host, port = protocol.transport.get_extra_info("sockname")[:2]
    # The checks know the address that is bound, the browser the one that it can reach.
    protocol.local_candidate = _host_candidate(component, host, port)
    return _host_candidate(component, _offered(host, gathering.public_addresses), port)


async def _endpoint(connection: Connection, address: str, ports: range | None) -> StunProtocol:
    loop = asyncio.get_running_loop()
    # In random order, so that a port is rarely used again while packets of its last peer are still on the way.
    for port in [0] if ports is None else random.sample(ports, len(ports)):
        try:
            _, protocol = await loop.create_datagram_endpoint(
                lambda: StunProtocol(connection), local_addr=(address, port)
            )
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return protocol
    raise ServerFull("No UDP port is free for one more peer now.", RETRY_AFTER_S)


def _open_relay(connection: Connection, clients: Sequence[str]) -> None:
    """A relay drops what comes from an address that we have sent nothing to, and we know no candidates of the
    other end: so an empty datagram goes to the discard port of each address that it may come from."""
    for protocol in connection._protocols:
        if protocol.local_candidate.type == "relay":
            for address in {protocol.local_candidate.host, *clients}:
                protocol.transport.sendto(b"", (address, DISCARD_PORT))


def _host_candidate(component: int, host: str, port: int) -> Candidate:
    return Candidate(
        foundation=candidate_foundation("host", "udp", host),
        component=component,
        transport="udp",
        priority=candidate_priority(component, "host"),
        host=host,
        port=port,
        type="host",
    )


def _offered(host: str, public_addresses: Iterable[Address]) -> str:
    version = ip_address(host).version
    return next((str(address) for address in public_addresses if address.version == version), host)

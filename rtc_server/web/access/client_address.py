"""Finds the address that a request comes from, also behind trusted proxies."""

import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from aiohttp import web

from rtc_server.errors import SettingsError
from rtc_server.web.access.passport import passport_of

_Address: TypeAlias = IPv4Address | IPv6Address

_FOR = re.compile(r'(?:^|;)\s*for=("?)([^";,]+)\1', re.IGNORECASE)
_IPV6_SUBSCRIBER_BITS = 64
"""Bits of the network that one subscriber gets. It has so many IPv6 addresses that counting single ones is no limit."""


class ClientAddresses:
    """Believes `Forwarded` (RFC 7239) and `X-Forwarded-For` from trusted proxies only."""

    def __init__(self, trusted_proxies: Sequence[str] = ()) -> None:
        """Networks or addresses of the proxies. Raises SettingsError."""
        try:
            self._trusted: list[IPv4Network | IPv6Network] = [ip_network(network) for network in trusted_proxies]
        except ValueError as error:
            raise SettingsError(f"RTC_TRUSTED_PROXIES: {error}.") from None

    def of(self, request: web.Request) -> str:
        """The client's address, as limits count it: IPv4 in full, IPv6 by its /64.

        For what another server of the fleet has relayed, the address that it saw.
        A proxy writes one of the two headers and may pass on the other as the client sent it. If they disagree,
        neither is believed, and the request counts as the proxy's own.
        """
        if (passport := passport_of(request)) is not None:
            return passport.client_address
        nearest = _address(request.remote or "")
        client = nearest
        if nearest is not None and self._is_trusted(nearest):
            told = {self._outermost(nearest, hops) for hops in _forwarded_hops(request)}
            client = told.pop() if len(told) == 1 else nearest
        if isinstance(client, IPv6Address):
            return str(ip_network((client, _IPV6_SUBSCRIBER_BITS), strict=False))
        return str(client) if client is not None else "unknown"

    def _outermost(self, nearest: _Address, hops: Sequence[str]) -> _Address:
        """Reads the hops from the nearest one outwards, and stops at the first that is not a trusted proxy:
        everything further out was written by the client."""
        client = nearest
        for text in reversed(hops):
            hop = _address(text)
            if hop is None:
                break
            client = hop
            if not self._is_trusted(hop):
                break
        return client

    def _is_trusted(self, address: _Address) -> bool:
        return any(address in network for network in self._trusted)


def _forwarded_hops(request: web.Request) -> Iterator[list[str]]:
    """For each header that is there: the addresses, from the client's side to ours."""
    if "Forwarded" in request.headers:
        elements = ",".join(request.headers.getall("Forwarded")).split(",")
        found = [_FOR.search(element) for element in elements]
        yield [match.group(2) if match else "" for match in found]
    if "X-Forwarded-For" in request.headers:
        yield ",".join(request.headers.getall("X-Forwarded-For")).split(",")


def _address(text: str) -> _Address | None:
    """The address in `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]:4711`; None for anything else."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address

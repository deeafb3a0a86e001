"""coturn's configuration as text: the template of `turn/`, filled in."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from string import Template

from rtc_server.errors import SettingsError
from rtc_server.port_range import PortRange
from rtc_server.relay.turn_url import TurnUrl
from rtc_server.resources import folder

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class CoturnConfiguration:
    """What the template's placeholders stand for; an empty value leaves its line out."""

    urls: tuple[TurnUrl, ...]
    secret: str
    realm: str
    relay_ports: PortRange
    user_quota: int
    total_quota: int
    bandwidth: int
    """Bytes a second, each way, of one relay."""
    certificate: Path | None = None
    private_key: Path | None = None
    external_ip: str | None = None
    peers: tuple[str, ...] = ()
    """Where not empty, the only addresses that may be reached."""
    listening_ip: str | None = None
    relay_ip: str | None = None
    pid_file: Path | None = None


def render(relay: CoturnConfiguration) -> str:
    """The template filled in. A line is written once for each value of its placeholder; a paragraph that
    loses all its lines loses its comments too."""
    values = _values(relay)
    template = (folder("turn") / "turnserver.conf.template").read_text(encoding="utf-8")
    paragraphs = ("\n".join(_filled(paragraph.splitlines(), values)) for paragraph in template.strip().split("\n\n"))
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph) + "\n"


def _filled(lines: list[str], values: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    written = list(_repeated(lines, values))
    only_comments = all(line.startswith("#") for line in written)
    if only_comments and any(_PLACEHOLDER.search(line) for line in lines):
        return
    yield from written


def _repeated(lines: Iterable[str], values: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    for line in lines:
        placeholder = _PLACEHOLDER.search(line)
        if placeholder is None:
            yield line
        else:
            name = placeholder.group(1)
            yield from (Template(line).substitute({name: value}) for value in values[name])


def _values(relay: CoturnConfiguration) -> dict[str, tuple[str, ...]]:
    listeners = {url.name for url in relay.urls}
    closed = [f"no-{name.lower()}" for name in ("UDP", "TCP", "TLS") if name not in listeners]
    if "TLS" not in listeners:
        closed.append("no-dtls")
    single: dict[str, object | None] = {
        "secret": relay.secret,
        "realm": relay.realm,
        "listening_ip": relay.listening_ip,
        "port": _one_port(relay.urls, "turn"),
        "tls_port": _one_port(relay.urls, "turns"),
        "external_ip": relay.external_ip,
        "relay_ip": relay.relay_ip,
        "first_relay_port": relay.relay_ports.first,
        "last_relay_port": relay.relay_ports.last,
        "certificate": relay.certificate,
        "private_key": relay.private_key,
        "user_quota": relay.user_quota,
        "total_quota": relay.total_quota,
        "bandwidth": relay.bandwidth,
        "total_bandwidth": relay.total_quota * relay.bandwidth,
        "pid_file": relay.pid_file,
    }
    for name, value in single.items():
        if re.search(r"[\s\x00-\x1f]", "" if value is None else str(value)):
            raise SettingsError(f"The relay's {name.replace('_', ' ')} must not hold white space: {value!r}")
    everything = ("0.0.0.0-255.255.255.255", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
    for peer in relay.peers:
        _check_peer(peer)
    return {name: () if value is None else (str(value),) for name, value in single.items()} | {
        "closed_listeners": tuple(closed),
        "allowed_peer": relay.peers,
        "loopback": ("allow-loopback-peers",) if any(map(_is_loopback, relay.peers)) else (),
        "everything_else": everything if relay.peers else (),
    }


def _check_peer(peer: str) -> None:
    try:
        for address in peer.split("-"):
            ip_address(address)
    except ValueError:
        raise SettingsError(f"--peer: {peer!r} is no address, and no range as in 10.0.0.5-10.0.0.9") from None


def _is_loopback(peer: str) -> bool:
    return any(ip_address(address).is_loopback for address in peer.split("-"))


def _one_port(urls: Iterable[TurnUrl], scheme: str) -> int | None:
    ports = {url.port for url in urls if url.scheme == scheme}
    if len(ports) > 1:
        raise SettingsError(f"RTC_TURN_URLS: the relay listens on one port for {scheme}:, these name {sorted(ports)}")
    return ports.pop() if ports else None

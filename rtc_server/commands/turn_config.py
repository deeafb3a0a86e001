"""`rtc-server turn-config`: coturn's configuration, written from this server's own settings, so that they agree."""

import argparse
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from string import Template

from rtc_server.errors import SettingsError
from rtc_server.resources import folder
from rtc_server.settings import PortRange, Settings

HELP = "write the TURN relay's configuration (coturn) from these settings"

SHORTEST_SECRET = 32
ALLOCATIONS_PER_PEER = 8
"""Relays that one browser opens: for each URL, over IPv4 and IPv6, and again while it reconnects."""

LEAST_BANDWIDTH = 16_000
"""Bytes a second. With less, not even a small picture gets through."""

_TURN_URL = re.compile(
    r"(?P<scheme>turns?):(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:?\[\]]+)(:(?P<port>\d{1,5}))?(\?transport=(?P<transport>udp|tcp))?"
)
_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class TurnUrl:
    """One address of the relay, as RFC 7065 writes it."""

    scheme: str
    """`turn` or `turns`."""
    host: str
    port: int
    transport: str
    """`udp` or `tcp`; under `turns`, tcp is TLS."""

    @property
    def name(self) -> str:
        """What a person calls it: UDP, TCP or TLS."""
        return "TLS" if self.scheme == "turns" else self.transport.upper()


@dataclass(frozen=True, slots=True)
class Relay:
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there, readable by its owner only")
    parser.add_argument("--realm", default="rtc-server", help="the relay's realm (rtc-server)")
    parser.add_argument(
        "--relay-ports",
        type=_port_range,
        default=PortRange(49152, 65535),
        metavar="FIRST-LAST",
        help="UDP ports on which the relay faces the server (49152-65535)",
    )
    parser.add_argument(
        "--external-ip",
        metavar="IP",
        help="public address of a relay behind one-to-one NAT: PUBLIC, or PUBLIC/PRIVATE",
    )
    parser.add_argument(
        "--certificate",
        type=Path,
        metavar="FILE",
        help="the relay's certificate chain, PEM, as a path on the relay's host; a turns: address needs it",
    )
    parser.add_argument("--private-key", type=Path, metavar="FILE", help="the private key of that certificate, PEM")
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="IP",
        help="an address, or a range FIRST-LAST, that the relay may reach: the server's, as the relay sees it. Can be "
        "given several times; then no other address is reached. Without it, any public address is",
    )
    parser.add_argument(
        "--user-quota", type=int, default=24, metavar="N", help="relays that one learner may hold at once (24)"
    )
    parser.add_argument(
        "--bandwidth",
        type=int,
        default=250_000,
        metavar="BYTES",
        help="bytes a second, each way, that one relay may carry (250000)",
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    text = render(relay_of(settings, arguments))
    if arguments.output is None:
        sys.stdout.write(text)
    else:
        _write_private(arguments.output, text)
    return 0


def _port_range(text: str) -> PortRange:
    try:
        return PortRange.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def turn_url(url: str) -> TurnUrl:
    """Raises SettingsError where it is none."""
    match = _TURN_URL.fullmatch(url)
    if match is None or not 0 < int(match["port"] or 1) <= 65535:
        raise SettingsError(f"RTC_TURN_URLS: {url!r} is not of the form turn:host:port?transport=udp")
    secure = match["scheme"] == "turns"
    transport = match["transport"] or ("tcp" if secure else "udp")
    return TurnUrl(
        match["scheme"], match["host"].strip("[]"), int(match["port"] or (5349 if secure else 3478)), transport
    )


def relay_of(settings: Settings, options: argparse.Namespace) -> Relay:
    """options: as `add_arguments` describes them. Raises SettingsError where the relay would not work, or be unsafe."""
    urls = tuple(turn_url(url) for url in settings.turn_urls)
    secret = settings.turn_secret.get_secret_value() if settings.turn_secret else ""
    if not urls:
        raise SettingsError("RTC_TURN_URLS: name the relay, as in turn:turn.example.org:3478?transport=udp")
    if len(secret.encode()) < SHORTEST_SECRET or not secret.isascii() or not secret.isprintable() or " " in secret:
        raise SettingsError(
            f"RTC_TURN_SECRET: set {SHORTEST_SECRET} or more printable characters, as `openssl rand -hex 32` makes"
        )
    if any(url.scheme == "turns" for url in urls) and not (options.certificate and options.private_key):
        raise SettingsError("a turns: address in RTC_TURN_URLS needs --certificate and --private-key")
    if settings.server_turn and options.peer:
        raise SettingsError("leave --peer out with RTC_SERVER_TURN, whose relays must reach browsers")
    if options.user_quota < 1 or options.bandwidth < LEAST_BANDWIDTH:
        raise SettingsError(f"--user-quota must be 1 or more, --bandwidth {LEAST_BANDWIDTH} or more")
    return Relay(
        urls=urls,
        secret=secret,
        realm=options.realm,
        relay_ports=options.relay_ports,
        # Behind its own relay the server is a user too, with a relay for each learner.
        user_quota=max(options.user_quota, settings.max_sessions * 2 if settings.server_turn else 0),
        total_quota=settings.max_sessions * ALLOCATIONS_PER_PEER,
        bandwidth=options.bandwidth,
        certificate=options.certificate,
        private_key=options.private_key,
        external_ip=options.external_ip,
        peers=tuple(options.peer),
    )


def render(relay: Relay) -> str:
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


def _values(relay: Relay) -> dict[str, tuple[str, ...]]:
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


def _write_private(path: Path, text: str) -> None:
    """Made anew and moved into place, so that neither an old file's mode nor a half-written one is ever served."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)

"""`rtc-server turn-config`: writes coturn's configuration from this server's own settings, so that the two agree."""

import argparse
import os
import sys
from pathlib import Path

from rtc_server.errors import SettingsError
from rtc_server.port_range import PortRange
from rtc_server.relay.configuration import CoturnConfiguration, render
from rtc_server.relay.turn_url import turn_url
from rtc_server.settings import Settings

HELP = "write the TURN relay's configuration (coturn) from these settings"

SHORTEST_SECRET = 32
ALLOCATIONS_PER_PEER = 8
"""Most relays that one browser opens: one for each URL, over IPv4 and IPv6, and again while it reconnects."""

LEAST_BANDWIDTH = 16_000
"""Bytes a second. With less, even a small picture does not get through."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=Path, metavar="FILE", help="file to write; only its owner can read it")
    parser.add_argument("--realm", default="rtc-server", help="the relay's realm (rtc-server)")
    parser.add_argument(
        "--relay-ports",
        type=_port_range,
        default=PortRange(49152, 65535),
        metavar="FIRST-LAST",
        help="UDP ports of the relay towards the server (49152-65535)",
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


def relay_of(settings: Settings, options: argparse.Namespace) -> CoturnConfiguration:
    """options: as `add_arguments` describes them. Raises SettingsError if the relay would not work or be unsafe."""
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
        raise SettingsError("remove --peer: with RTC_SERVER_TURN the relay must reach browsers")
    if options.user_quota < 1 or options.bandwidth < LEAST_BANDWIDTH:
        raise SettingsError(f"--user-quota must be 1 or more, --bandwidth {LEAST_BANDWIDTH} or more")
    # By default for all processors of the host; one that is set counts in each worker.
    peers = settings.max_sessions * (settings.workers if "max_sessions" in settings.model_fields_set else 1)
    return CoturnConfiguration(
        urls=urls,
        secret=secret,
        realm=options.realm,
        relay_ports=options.relay_ports,
        # With RTC_SERVER_TURN the server is a user of the relay too, with a relay for each learner.
        user_quota=max(options.user_quota, peers * 2 if settings.server_turn else 0),
        total_quota=peers * ALLOCATIONS_PER_PEER,
        bandwidth=options.bandwidth,
        certificate=options.certificate,
        private_key=options.private_key,
        external_ip=options.external_ip,
        peers=tuple(options.peer),
    )


def _write_private(path: Path, text: str) -> None:
    """Write a new file and move it into place, so that an old file's mode or a half-written file is never used."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)

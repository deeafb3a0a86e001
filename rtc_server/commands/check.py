"""`rtc-server check`: one line for each thing that a lesson needs, and what to do where it is missing."""

import argparse
import asyncio
import socket
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from rtc_server.errors import RtcServerError
from rtc_server.learner import Learner
from rtc_server.relay.probe import ProbeFailed, allocate, reflexive_address
from rtc_server.relay.turn_url import turn_url
from rtc_server.settings import Settings

HELP = "check everything that a lesson needs, and say what is missing"

_NOBODY = Learner(user_id=0, module_id=0)


@dataclass(frozen=True, slots=True)
class Finding:
    outcome: Literal["ok", "warn", "fail"]
    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.outcome:<5} {self.subject:<9} {self.text}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "The exit code is 0 if nothing fails, else 1. Run it on the server's host, as the server's user."


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    return asyncio.run(_print_findings(settings))


async def _print_findings(settings: Settings) -> int:
    failed = False
    async for finding in findings(settings):
        print(finding, flush=True)
        failed = failed or finding.outcome == "fail"
    return int(failed)


async def findings(settings: Settings) -> AsyncIterator[Finding]:
    for finding in _http(settings):
        yield finding
    yield await _keys(settings)
    yield await _database(settings)
    yield _spool(settings)
    yield _model()
    yield _udp_ports(settings)
    async for finding in _stun(settings):
        yield finding
    async for finding in _relay(settings):
        yield finding


def _http(settings: Settings) -> Iterator[Finding]:
    yield Finding("ok", "settings", f"read; {len(settings.model_fields_set)} of {len(type(settings).model_fields)} set")
    here_only = settings.host in ("127.0.0.1", "::1", "localhost")
    if settings.tls_certificate or here_only:
        return
    if not settings.trusted_proxies:
        yield Finding(
            "warn",
            "http",
            f"{settings.host}:{settings.port} is reachable without TLS, and browsers give such a page no camera. Set "
            "RTC_TLS_CERTIFICATE, or listen on 127.0.0.1 behind a proxy and name it in RTC_TRUSTED_PROXIES",
        )


async def _keys(settings: Settings) -> Finding:
    from rtc_server.web.access.signing_keys import PublishedKeys, SharedSecrets

    secrets = [s.get_secret_value() for s in (settings.token_secret, settings.token_secret_previous) if s is not None]
    if settings.jwks_url is None and not secrets:
        return Finding("fail", "tokens", "set RTC_TOKEN_SECRET or RTC_JWKS_URL: without them only demo mode starts")
    try:
        SharedSecrets(secrets)
        if settings.jwks_url is not None:
            published = PublishedKeys(settings.jwks_url)
            count = sum([len(await published.keys(algorithm, None)) for algorithm in ("RS256", "ES256")])
            if not count:
                return Finding("fail", "tokens", "RTC_JWKS_URL has no RS256 or ES256 key that can be used")
            return Finding("ok", "tokens", f"{count} published keys, {len(secrets)} secrets")
    except RtcServerError as error:
        return Finding("fail", "tokens", str(error))
    return Finding("ok", "tokens", f"{len(secrets)} secrets set, long enough")


async def _database(settings: Settings) -> Finding:
    from rtc_server.store.engine import open_store

    started = time.perf_counter()
    try:
        engine = await open_store(settings.database_url.get_secret_value())
    except RtcServerError as error:
        return Finding("fail", "database", str(error))
    await engine.dispose()
    elapsed_ms = (time.perf_counter() - started) * 1e3
    return Finding("ok", "database", f"{engine.dialect.name} reached, schema up to date ({elapsed_ms:.0f} ms)")


def _spool(settings: Settings) -> Finding:
    from rtc_server.store.spool.spool import survey

    folder = settings.spool
    try:
        found = survey(folder)
    except (OSError, sqlite3.Error) as error:
        cause = getattr(error, "strerror", None) or error
        return Finding(
            "fail",
            "spool",
            f"{folder}: {cause}: sessions that wait for the database would be lost with the server. "
            "Make room, or set RTC_SPOOL to a folder that the server may write to",
        )
    if found.unreadable:
        return Finding(
            "warn",
            "spool",
            f"{found.waiting} sessions wait for the database, and {found.unreadable} cannot be read: "
            f"they are of a newer version, or damaged, in {folder / 'unreadable'}; look at that, and empty it",
        )
    if found.waiting:
        return Finding(
            "warn",
            "spool",
            f"{found.waiting} sessions wait in {folder} for the database: a server stores them when it is back, "
            "or when it starts",
        )
    return Finding("ok", "spool", f"{folder} can be written, and no session waits in it")


def _model() -> Finding:
    from rtc_server.media.face_landmarker import FaceLandmarker

    started = time.perf_counter()
    try:
        FaceLandmarker().close()
    except (ImportError, RuntimeError, OSError) as error:
        return Finding("fail", "model", f"MediaPipe does not start: {error}. Install from requirements.lock again")
    return Finding("ok", "model", f"loaded and warm in {(time.perf_counter() - started) * 1e3:.0f} ms")


def _udp_ports(settings: Settings) -> Finding:
    addresses = _own_addresses(settings)
    offered = f"; browsers are told {', '.join(map(str, settings.public_ip))}" if settings.public_ip else ""
    if settings.server_turn:
        return Finding("ok", "udp", "media comes through the relay alone (RTC_SERVER_TURN)")
    if not addresses:
        return Finding("fail", "udp", "this host has no address but loopback: set RTC_ICE_ADDRESSES")
    where = ", ".join(addresses)
    if settings.udp_ports is None:
        return Finding("ok", "udp", f"any port on {where}{offered}; RTC_UDP_PORTS would let a firewall be closed")
    ports = range(settings.udp_ports.first, settings.udp_ports.last + 1)
    free = min(sum(_is_free(address, port) for port in ports) for address in addresses)
    told = f"{free} of {len(ports)} ports free on {where}{offered}"
    if free == 0:
        return Finding("fail", "udp", f"{told}: another program uses them, or the address is not this host's")
    if free < settings.max_sessions:
        return Finding(
            "warn", "udp", f"{told}, for RTC_MAX_SESSIONS={settings.max_sessions} learners: widen RTC_UDP_PORTS"
        )
    return Finding("ok", "udp", told)


async def _stun(settings: Settings) -> AsyncIterator[Finding]:
    own = {str(address) for address in settings.public_ip} | set(_own_addresses(settings))
    for url in settings.stun_urls:
        parts = urlsplit(f"//{url.partition(':')[2]}")
        try:
            address, elapsed_ms = await reflexive_address(parts.hostname or "", parts.port or 3478)
        except ProbeFailed as error:
            yield Finding("fail", "stun", f"{url}: {error}")
            continue
        if address in own:
            yield Finding("ok", "stun", f"{url}: sees this host as {address} ({elapsed_ms:.0f} ms)")
        else:
            yield Finding("warn", "stun", f"{url}: sees this host as {address}: behind NAT, set RTC_PUBLIC_IP to that")


async def _relay(settings: Settings) -> AsyncIterator[Finding]:
    from rtc_server.web.ice_servers import IceServers

    if not settings.turn_urls:
        yield Finding("warn", "relay", "RTC_TURN_URLS is empty: learners behind strict firewalls cannot connect")
        return
    try:
        secret = settings.turn_secret.get_secret_value() if settings.turn_secret else None
        servers = IceServers(turn_urls=settings.turn_urls, turn_secret=secret, ttl_s=settings.turn_ttl)
    except RtcServerError as error:
        yield Finding("fail", "relay", str(error))
        return
    (server,) = servers.for_learner(_NOBODY)
    peers = [] if settings.server_turn else [str(ip) for ip in settings.public_ip] or _own_addresses(settings)
    for url in server.urls:
        parsed = turn_url(url)
        try:
            # IPv4 only: by default a relay gives no IPv6 address.
            allocation = await allocate(parsed, server.username, server.credential, [p for p in peers if ":" not in p])
        except ProbeFailed as error:
            yield Finding("fail", "relay", f"{url}: {error}")
        else:
            yield Finding(
                "ok",
                "relay",
                f"{url}: {parsed.name}, relays at {allocation.relayed_host} ({allocation.elapsed_ms:.0f} ms)",
            )


def _own_addresses(settings: Settings) -> list[str]:
    from aioice.ice import get_host_addresses

    return [str(address) for address in settings.ice_addresses] or get_host_addresses(use_ipv4=True, use_ipv6=True)


def _is_free(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True

"""The fleet, where there is one: its directory, and how requests get to the server that should answer them."""

import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

import aiohttp
from redis.asyncio import Redis

from rtc_server import __version__
from rtc_server.composition.peers import Peers
from rtc_server.composition.rows import Store
from rtc_server.errors import SettingsError
from rtc_server.fleet.class_exchange import ClassExchange
from rtc_server.fleet.fleet import Fleet
from rtc_server.fleet.stress import Stress
from rtc_server.peer.registry import PeerRegistry
from rtc_server.settings import Settings
from rtc_server.web.access.client_address import ClientAddresses
from rtc_server.web.access.passport import PassportOffice
from rtc_server.web.api.class_feed import LiveLearners
from rtc_server.web.elsewhere import OnlyHere, Relay

REDIS_TIMEOUT_S = 1.0
CONNECTIONS_TO_A_WORKER = 32


@dataclass(frozen=True, slots=True)
class FleetParts:
    elsewhere: OnlyHere | Relay
    stress: Callable[[], float]
    """Of this server, from 0 to 1."""
    live_class: LiveLearners
    """Of all servers."""
    office: PassportOffice | None = None
    fleet: Fleet | None = None


def open_fleet(settings: Settings, store: Store, peers: Peers, owned: AsyncExitStack) -> FleetParts:
    """Without RTC_REDIS_URL there is only this server. What it opens is closed by `owned`. Raises SettingsError."""
    registry, pool = peers.registry, peers.services.pool
    stress = Stress(busy_s=lambda: pool.busy_s, threads=pool.threads, capacity=settings.max_sessions)
    if settings.redis_url is None:
        return FleetParts(OnlyHere(), partial(_measured, stress, registry), registry.live_class)
    if settings.fleet_secret is None:
        raise SettingsError(
            "the servers of a fleet must know each other: set RTC_FLEET_SECRET to the same secret for all of them "
            "(`openssl rand -base64 48` makes one)"
        )
    redis = _redis(settings.redis_url.get_secret_value())
    owned.push_async_callback(redis.aclose)
    fleet = Fleet(
        redis,
        worker_id=store.leases.server_id,
        version=__version__,
        capacity=settings.max_sessions,
        peers=lambda: len(registry),
        draining=lambda: registry.draining,
        stress=stress,
    )
    http = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit_per_host=CONNECTIONS_TO_A_WORKER), auto_decompress=False
    )
    owned.push_async_callback(http.close)
    exchange = ClassExchange(redis, store.leases.server_id, registry.live_class)
    exchange.start()
    owned.push_async_callback(exchange.close)
    office = PassportOffice(settings.fleet_secret.get_secret_value())
    relay = Relay(fleet, http, office, ClientAddresses(settings.trusted_proxies))
    return FleetParts(relay, lambda: fleet.report().stress, exchange, office, fleet)


def _measured(stress: Stress, registry: PeerRegistry) -> float:
    return stress.measure(time.monotonic(), len(registry), late_s=0.0)


async def join(parts: FleetParts, private_url: str, owned: AsyncExitStack) -> None:
    """From now on others find this server, under this address."""
    if parts.fleet is not None:
        await parts.fleet.start(private_url)
        owned.push_async_callback(parts.fleet.close)


def _redis(url: str) -> Redis:
    try:
        return Redis.from_url(url, socket_timeout=REDIS_TIMEOUT_S, socket_connect_timeout=REDIS_TIMEOUT_S)
    except ValueError as error:
        raise SettingsError(f"RTC_REDIS_URL is not such as redis://host:6379/0 ({error})") from None

"""Metrics: where each number comes from, and the port where they can be read."""

import asyncio
from contextlib import AsyncExitStack

from aiohttp import web

from rtc_server.composition.background import end
from rtc_server.composition.fleet import FleetParts
from rtc_server.composition.http import not_ready
from rtc_server.composition.peers import Peers
from rtc_server.composition.rows import Store
from rtc_server.delivery.counts import DeliveryCounts
from rtc_server.errors import SettingsError
from rtc_server.metrics.exposition import CONTENT_TYPE, Exposition
from rtc_server.metrics.measurements import Parts
from rtc_server.relay.hosts import RelayHosts
from rtc_server.settings import Settings
from rtc_server.web.ice_servers import IceServers
from rtc_server.web.metrics import metrics_routes
from rtc_server.web.server.http_server import Site, server_runner
from rtc_server.web.server.problems import problem_middleware
from rtc_server.web.server.response_headers import response_headers_middleware
from rtc_server.web.signalling import Signalling

MAX_CONNECTIONS = 16
"""A Prometheus holds one."""


async def open_metrics(
    settings: Settings,
    store: Store,
    peers: Peers,
    signalling: Signalling,
    ice_servers: IceServers,
    fleet: FleetParts,
    delivery: DeliveryCounts,
    owned: AsyncExitStack,
) -> None:
    """Does nothing without RTC_METRICS_PORT. What it opens is closed by `owned`. Raises SettingsError."""
    if settings.metrics_port is None:
        return
    relay = RelayHosts(settings.turn_urls)
    owned.push_async_callback(end, asyncio.create_task(relay.keep_looking_up(), name="relay-hosts"))
    exposition = Exposition(
        Parts(
            registry=peers.registry,
            peers=peers.services.counts,
            frames=peers.services.pool.frames,
            looks=peers.looks,
            turns_waiting=lambda: peers.services.pool.waiting,
            signalling=signalling,
            elsewhere=fleet.elsewhere,
            directory_away=lambda: fleet.fleet is not None and fleet.fleet.away,
            stress=fleet.stress,
            ice_servers=ice_servers,
            writer=store.writer,
            delivery=delivery,
            ready=lambda: not_ready(store, peers.registry) is None,
            is_relay=relay.__contains__,
        )
    )
    await _listen(settings, settings.metrics_port, exposition, owned)


async def _listen(settings: Settings, port: int, exposition: Exposition, owned: AsyncExitStack) -> None:
    # No line in the log for each time that it is read: that would be most of the log.
    application = web.Application(middlewares=[response_headers_middleware, problem_middleware])
    application.add_routes(metrics_routes(exposition.text, CONTENT_TYPE))
    runner = server_runner(application, header_timeout=settings.header_timeout, max_connections=MAX_CONNECTIONS)
    await runner.setup()
    owned.push_async_callback(runner.cleanup)
    site = Site(runner, settings.metrics_host, port, tls=None, handshake_timeout=settings.header_timeout)
    try:
        await site.start()
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {settings.metrics_host}:{port} ({error.strerror}); choose another RTC_METRICS_PORT"
        ) from error

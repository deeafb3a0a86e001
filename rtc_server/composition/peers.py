"""Live connections: the registry, and what all peers share."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from rtc_server.analysis.pool import AnalysisPool
from rtc_server.composition.rows import Store
from rtc_server.media.frame_analyser import FrameAnalyserFactory
from rtc_server.media.look_counts import LookCounts
from rtc_server.peer.deadlines import Deadlines
from rtc_server.peer.peer import PeerServices
from rtc_server.peer.registry import PeerRegistry
from rtc_server.settings import Settings
from rtc_server.transport import Relay
from rtc_server.transport.ice_gathering import IceGathering
from rtc_server.transport.media_allowance import MediaLimits
from rtc_server.web.ice_servers import IceServers


@dataclass(frozen=True, slots=True)
class Peers:
    registry: PeerRegistry
    services: PeerServices
    looks: LookCounts


async def open_peers(settings: Settings, store: Store, ice_servers: IceServers, owned: AsyncExitStack) -> Peers:
    """What it opens is closed by `owned`."""
    threads = settings.processors
    analysers = FrameAnalyserFactory()
    owned.callback(analysers.close)
    await asyncio.to_thread(analysers.warm_up, threads)
    pool = AnalysisPool(threads, settings.max_frames_per_second)
    owned.push_async_callback(pool.close)
    services = PeerServices(
        make_analyser=analysers,
        recorder=store.writer,
        pool=pool,
        gathering=_gathering(settings),
        relay=partial(_relay, ice_servers) if settings.server_turn else None,
        messages_per_s=settings.messages_per_second,
        adaptive=settings.adaptive,
        deadlines=_deadlines(settings),
        media_limits=MediaLimits(packets_per_s=settings.max_packets_per_second, bitrate_kbps=settings.max_bitrate),
    )
    registry = PeerRegistry(
        services,
        max_peers=settings.max_sessions,
        max_per_user=settings.max_sessions_per_user,
        max_per_address=settings.max_sessions_per_address,
        resume_window_s=settings.resume_window,
        ownership=store.leases,
    )
    owned.push_async_callback(registry.close)
    return Peers(registry, services, analysers.counts)


def _gathering(settings: Settings) -> IceGathering:
    ports = settings.udp_ports
    return IceGathering(
        ports=range(ports.first, ports.last + 1) if ports else None,
        addresses=settings.ice_addresses,
        public_addresses=settings.public_ip,
    )


def _deadlines(settings: Settings) -> Deadlines:
    return Deadlines(
        connect_s=settings.connect_timeout,
        first_frame_s=settings.first_frame_timeout,
        silence_unknown_s=settings.silence_unknown,
        silence_s=settings.silence_timeout,
        pause_s=settings.pause_timeout,
        max_age_s=settings.max_session_age,
    )


def _relay(ice_servers: IceServers, client_address: str) -> Relay:
    server = ice_servers.for_server()
    assert server.username is not None
    assert server.credential is not None
    return Relay(server.urls[0], server.username, server.credential, client_address)

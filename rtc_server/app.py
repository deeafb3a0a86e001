"""The composition: builds the parts, hands them to each other, and ends them in the reverse order."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from aiohttp import web
from pydantic import SecretStr

from rtc_server.analysis.pool import AnalysisPool
from rtc_server.errors import SettingsError
from rtc_server.focus.policy import POLICIES
from rtc_server.media.frame_analyser import FrameAnalyserFactory
from rtc_server.peer.deadlines import Limits
from rtc_server.peer.peer import PeerServices
from rtc_server.peer.registry import PeerRegistry
from rtc_server.processors import usable_processors
from rtc_server.resources import folder
from rtc_server.settings import Settings
from rtc_server.store.engine import open_reads, open_store
from rtc_server.store.reader import FocusReader
from rtc_server.store.retention import keep_expiring
from rtc_server.store.spool.spool import Spool
from rtc_server.store.writer import FocusWriter
from rtc_server.transport import Relay
from rtc_server.transport.ice_gathering import IceGathering
from rtc_server.transport.media_allowance import MediaLimits
from rtc_server.web.access.auth import TokenVerifier, mint_token, token_verifier
from rtc_server.web.access.client_address import ClientAddresses
from rtc_server.web.access.read_access import ReadAccess
from rtc_server.web.access.request_rate import RequestRate, stranger_rate_middleware
from rtc_server.web.demo import DemoEndpoint
from rtc_server.web.focus_sessions import FocusSessionsEndpoint
from rtc_server.web.health import health_routes
from rtc_server.web.ice_servers import IceServers, IceServersEndpoint
from rtc_server.web.offer import OfferEndpoint
from rtc_server.web.pages import page_routes
from rtc_server.web.server.cors import cors_middleware
from rtc_server.web.server.http_server import Site, server_runner
from rtc_server.web.server.problems import problem_middleware
from rtc_server.web.server.request_log import request_log_middleware
from rtc_server.web.server.response_headers import response_headers_middleware
from rtc_server.web.server.tls import Certificate
from rtc_server.web.server.unread_bodies import unread_body_middleware
from rtc_server.web.signalling import Signalling
from rtc_server.web.whip import WhipEndpoint


@asynccontextmanager
async def listening(settings: Settings, *, demo: bool) -> AsyncIterator[str]:
    """The whole server, from its database to its socket; gives the address it listens on.

    Raises SettingsError and StoreUnavailable before it listens.
    """
    if demo:
        settings = settings.model_copy(update={"token_secret": SecretStr(secrets.token_urlsafe(48))})
    async with AsyncExitStack() as owned:
        certificate = _certificate(settings)
        tokens = _token_verifier(settings)
        store = await _store(settings, owned)
        ice_servers = _ice_servers(settings)
        registry = await _peers(settings, store.writer, ice_servers, owned)
        application = _web(settings, store, registry, tokens, ice_servers, demo=demo)
        yield await _listen(settings, application, certificate, owned)


# -- store


@dataclass(frozen=True, slots=True)
class _Store:
    writer: FocusWriter
    reader: FocusReader


async def _store(settings: Settings, owned: AsyncExitStack) -> _Store:
    url = settings.database_url.get_secret_value()
    engine = await open_store(url)
    owned.push_async_callback(engine.dispose)
    reads = open_reads(url)
    owned.push_async_callback(reads.dispose)
    writer = FocusWriter(engine, Spool(settings.spool), settings.save_interval, rows=settings.platform_rows)
    await writer.start()
    owned.push_async_callback(writer.close)
    if settings.retention_days is not None:
        expiring = keep_expiring(
            engine, settings.spool, settings.retention_days, with_platform_rows=settings.retention_platform_rows
        )
        owned.push_async_callback(_end, asyncio.create_task(expiring, name="retention"))
    return _Store(writer, FocusReader(reads))


# -- peers


async def _peers(
    settings: Settings, writer: FocusWriter, ice_servers: IceServers, owned: AsyncExitStack
) -> PeerRegistry:
    threads = usable_processors()
    analysers = FrameAnalyserFactory()
    owned.callback(analysers.close)
    await asyncio.to_thread(analysers.warm_up, threads)
    pool = AnalysisPool(threads, settings.max_frames_per_second)
    owned.push_async_callback(pool.close)
    services = PeerServices(
        make_analyser=analysers,
        recorder=writer,
        pool=pool,
        gathering=_gathering(settings),
        relay=partial(_relay, ice_servers) if settings.server_turn else None,
        messages_per_s=settings.messages_per_second,
        adaptive=settings.adaptive,
        limits=_deadlines(settings),
        media_limits=MediaLimits(packets_per_s=settings.max_packets_per_second, bitrate_kbps=settings.max_bitrate),
    )
    registry = PeerRegistry(
        services,
        max_peers=settings.max_sessions,
        max_per_user=settings.max_sessions_per_user,
        max_per_address=settings.max_sessions_per_address,
        resume_window_s=settings.resume_window,
    )
    owned.push_async_callback(registry.close)
    return registry


def _gathering(settings: Settings) -> IceGathering:
    ports = settings.udp_ports
    return IceGathering(
        ports=range(ports.first, ports.last + 1) if ports else None,
        addresses=settings.ice_addresses,
        public_addresses=settings.public_ip,
    )


def _deadlines(settings: Settings) -> Limits:
    return Limits(
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


# -- web


def _web(
    settings: Settings,
    store: _Store,
    registry: PeerRegistry,
    tokens: TokenVerifier,
    ice_servers: IceServers,
    *,
    demo: bool,
) -> web.Application:
    addresses = ClientAddresses(settings.trusted_proxies)
    signalling = Signalling(
        registry,
        tokens,
        addresses=addresses,
        learner_rate=RequestRate.of_learners(settings.offers_per_minute_per_user),
        address_rate=RequestRate.of_addresses(settings.offers_per_minute),
        max_body_bytes=settings.max_offer_bytes,
        body_timeout=settings.body_timeout,
    )
    read_access = ReadAccess(tokens, RequestRate.of_learners(settings.reads_per_minute))
    application = web.Application(
        middlewares=[
            request_log_middleware,
            unread_body_middleware(settings.max_offer_bytes),
            response_headers_middleware,
            cors_middleware(settings.cors_origins),
            problem_middleware,
            stranger_rate_middleware(addresses, RequestRate.of_addresses(settings.offers_per_minute)),
        ]
    )
    application.add_routes(
        [
            *WhipEndpoint(signalling, registry, ice_servers).routes(),
            *OfferEndpoint(signalling).routes(),
            *IceServersEndpoint(read_access, ice_servers).routes(),
            *FocusSessionsEndpoint(read_access, store.reader).routes(),
            *health_routes(lambda: store.writer.spool_fails),
            *page_routes(folder("static")),
        ]
    )
    if demo:
        application.add_routes(DemoEndpoint(_demo_mint(settings)).routes())
    return application


def _ice_servers(settings: Settings) -> IceServers:
    ice_servers = IceServers(
        stun_urls=settings.stun_urls,
        turn_urls=settings.turn_urls,
        turn_secret=_revealed(settings.turn_secret),
        ttl_s=settings.turn_ttl,
    )
    if settings.server_turn:
        ice_servers.for_server()  # fails now, not at the first learner, where the relay is not told
    return ice_servers


async def _listen(
    settings: Settings, application: web.Application, certificate: Certificate | None, owned: AsyncExitStack
) -> str:
    """Opens the socket last; returns the address."""
    runner = server_runner(
        application, header_timeout=settings.header_timeout, max_connections=settings.max_connections
    )
    await runner.setup()
    owned.push_async_callback(runner.cleanup)
    if certificate is not None:
        owned.push_async_callback(_end, asyncio.create_task(certificate.watch(), name="certificate"))
    context = certificate.context if certificate is not None else None
    site = Site(runner, settings.host, settings.port, tls=context, handshake_timeout=settings.header_timeout)
    try:
        await site.start()
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {settings.host}:{settings.port} ({error.strerror}); choose another RTC_PORT"
        ) from error
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{'https' if context else 'http'}://{host}:{runner.addresses[0][1]}/"


def _token_verifier(settings: Settings) -> TokenVerifier:
    known = (settings.token_secret, settings.token_secret_previous)
    if settings.token_secret is None and settings.jwks_url is None:
        raise SettingsError(
            "no token could be verified: set RTC_TOKEN_SECRET (`openssl rand -base64 48` makes one) or RTC_JWKS_URL, "
            "or try the server on this machine with `rtc-server serve --demo`"
        )
    return token_verifier(
        secrets=[secret.get_secret_value() for secret in known if secret is not None],
        jwks_url=settings.jwks_url,
        audience=settings.token_audience,
        issuer=settings.token_issuer,
        policies=POLICIES,
    )


def _demo_mint(settings: Settings) -> "partial[str]":
    assert settings.token_secret is not None
    return partial(
        mint_token,
        settings.token_secret.get_secret_value(),
        audience=settings.token_audience,
        issuer=settings.token_issuer,
    )


def _certificate(settings: Settings) -> Certificate | None:
    if settings.tls_certificate is None and settings.tls_private_key is None:
        return None
    if settings.tls_certificate is None or settings.tls_private_key is None:
        raise SettingsError("RTC_TLS_CERTIFICATE and RTC_TLS_PRIVATE_KEY belong together: set both or neither")
    return Certificate(settings.tls_certificate, settings.tls_private_key)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()

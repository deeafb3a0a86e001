"""HTTP: the application with its endpoints, and the socket it listens on."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial

from aiohttp import web
from pydantic import SecretStr

from rtc_server.composition.background import end
from rtc_server.composition.fleet import FleetParts
from rtc_server.composition.rows import Store
from rtc_server.errors import SettingsError
from rtc_server.focus.policy import POLICIES
from rtc_server.learner import Learner
from rtc_server.peer.registry import PeerRegistry
from rtc_server.resources import folder
from rtc_server.settings import Settings
from rtc_server.web.access.auth import TokenVerifier, mint_token, token_verifier
from rtc_server.web.access.client_address import ClientAddresses
from rtc_server.web.access.passport import passport_middleware
from rtc_server.web.access.read_access import ReadAccess
from rtc_server.web.access.request_rate import RequestRate, stranger_rate_middleware
from rtc_server.web.among_servers import AmongServersEndpoint
from rtc_server.web.api.class_feed import ClassFeed
from rtc_server.web.api.exports import ExportsEndpoint
from rtc_server.web.api.learners import LearnersEndpoint
from rtc_server.web.api.live_class import ClassEndpoint
from rtc_server.web.api.routes import api_routes
from rtc_server.web.api.session import SessionEndpoint
from rtc_server.web.api.sessions import SessionsEndpoint
from rtc_server.web.api.sums import SumsEndpoint
from rtc_server.web.demo import DemoEndpoint, Role
from rtc_server.web.focus_sessions import FocusSessionsEndpoint
from rtc_server.web.health import health_routes
from rtc_server.web.ice_servers import IceServers, IceServersEndpoint
from rtc_server.web.offer import OfferEndpoint
from rtc_server.web.pages import page_routes
from rtc_server.web.server.cors import cors_middleware
from rtc_server.web.server.http_server import Site, server_runner
from rtc_server.web.server.problems import problem_middleware
from rtc_server.web.server.refusals import refusal_middleware
from rtc_server.web.server.request_log import request_log_middleware
from rtc_server.web.server.response_headers import response_headers_middleware
from rtc_server.web.server.tls import Certificate
from rtc_server.web.server.unread_bodies import unread_body_middleware
from rtc_server.web.signalling import Signalling
from rtc_server.web.stored_sessions import StoredSessionReading
from rtc_server.web.whip import WhipEndpoint


def make_application(
    settings: Settings,
    store: Store,
    registry: PeerRegistry,
    tokens: TokenVerifier,
    signalling: Signalling,
    ice_servers: IceServers,
    fleet: FleetParts,
    *,
    demo: bool,
) -> web.Application:
    addresses = ClientAddresses(settings.trusted_proxies)
    read_access = ReadAccess(tokens, RequestRate.of_learners(settings.reads_per_minute))
    reading = StoredSessionReading(
        read_access, store.reading, store.writer, fleet.elsewhere, min_group=settings.min_group
    )
    feed = ClassFeed(fleet.live_class, min_group=settings.min_group)
    application = web.Application(
        middlewares=[
            request_log_middleware,
            unread_body_middleware(settings.max_offer_bytes),
            response_headers_middleware,
            cors_middleware(settings.cors_origins),
            problem_middleware,
            refusal_middleware(),
            passport_middleware(fleet.office),
            stranger_rate_middleware(addresses, RequestRate.of_addresses(settings.offers_per_minute)),
        ]
    )
    application.add_routes(
        [
            *WhipEndpoint(signalling, registry, ice_servers, fleet.elsewhere).routes(),
            *OfferEndpoint(signalling, fleet.elsewhere).routes(),
            *IceServersEndpoint(read_access, ice_servers).routes(),
            *FocusSessionsEndpoint(reading).routes(),
            *AmongServersEndpoint(registry, store.writer).routes(),
            *_api_routes(settings, store, registry, read_access, reading, feed, fleet),
            *health_routes(lambda: store.writer.spool_fails, partial(not_ready, store, registry)),
            *page_routes(folder("static")),
        ]
    )
    application.on_shutdown.append(lambda _: feed.close())
    if demo:
        application.add_routes(DemoEndpoint(_demo_mint(settings)).routes())
    return application


def make_signalling(settings: Settings, registry: PeerRegistry, tokens: TokenVerifier) -> Signalling:
    return Signalling(
        registry,
        tokens,
        addresses=ClientAddresses(settings.trusted_proxies),
        learner_rate=RequestRate.of_learners(settings.offers_per_minute_per_user),
        address_rate=RequestRate.of_addresses(settings.offers_per_minute),
        max_body_bytes=settings.max_offer_bytes,
        body_timeout=settings.body_timeout,
    )


def _api_routes(
    settings: Settings,
    store: Store,
    registry: PeerRegistry,
    reads: ReadAccess,
    reading: StoredSessionReading,
    feed: ClassFeed,
    fleet: FleetParts,
) -> list[web.RouteDef]:
    return api_routes(
        SessionsEndpoint(reads, store.reading, min_group=settings.min_group),
        SessionEndpoint(reading),
        SumsEndpoint(reads, store.reading, min_group=settings.min_group),
        ExportsEndpoint(reads, store.reading, min_group=settings.min_group),
        ClassEndpoint(reads, feed),
        LearnersEndpoint(
            reads,
            registry,
            store.writer,
            store.erasure,
            fleet.elsewhere,
            learners_may_erase=settings.learners_may_erase,
        ),
    )


def not_ready(store: Store, registry: PeerRegistry) -> str | None:
    if registry.draining:
        return "draining"
    return None if store.leases.held else "the database does not answer"


def make_ice_servers(settings: Settings) -> IceServers:
    ice_servers = IceServers(
        stun_urls=settings.stun_urls,
        turn_urls=settings.turn_urls,
        turn_secret=_revealed(settings.turn_secret),
        ttl_s=settings.turn_ttl,
    )
    if settings.server_turn:
        ice_servers.for_server()  # fails now, not at the first learner, where the relay is not told
    return ice_servers


async def listen(
    settings: Settings,
    application: web.Application,
    certificate: Certificate | None,
    owned: AsyncExitStack,
    *,
    shares_port: bool,
) -> tuple[str, str]:
    """Opens the sockets last; returns the address, and the one for the other servers of the fleet if there are any."""
    runner = server_runner(
        application, header_timeout=settings.header_timeout, max_connections=settings.max_connections
    )
    await runner.setup()
    owned.push_async_callback(runner.cleanup)
    if certificate is not None:
        owned.push_async_callback(end, asyncio.create_task(certificate.watch(), name="certificate"))
    context = certificate.context if certificate is not None else None
    site = Site(
        runner,
        settings.host,
        settings.port,
        tls=context,
        handshake_timeout=settings.header_timeout,
        shares_port=shares_port,
    )
    try:
        await site.start()
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {settings.host}:{settings.port} ({error.strerror}); choose another RTC_PORT"
        ) from error
    address = f"{'https' if context else 'http'}://{_url_host(settings.host)}:{runner.addresses[0][1]}/"
    if settings.redis_url is None:
        return address, ""
    private = Site(
        runner, settings.private_host, settings.private_port, tls=None, handshake_timeout=settings.header_timeout
    )
    try:
        await private.start()
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {settings.private_host}:{settings.private_port} ({error.strerror}); choose another "
            "RTC_PRIVATE_HOST or RTC_PRIVATE_PORT"
        ) from error
    return address, f"http://{_url_host(settings.private_host)}:{private.port}"


def _url_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def make_token_verifier(settings: Settings) -> TokenVerifier:
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


def _demo_mint(settings: Settings) -> Callable[[Learner, Role], str]:
    assert settings.token_secret is not None
    secret = settings.token_secret.get_secret_value()
    return lambda learner, role: mint_token(
        secret, learner, audience=settings.token_audience, issuer=settings.token_issuer, role=role
    )


def load_certificate(settings: Settings) -> Certificate | None:
    if settings.tls_certificate is None and settings.tls_private_key is None:
        return None
    if settings.tls_certificate is None or settings.tls_private_key is None:
        raise SettingsError("RTC_TLS_CERTIFICATE and RTC_TLS_PRIVATE_KEY belong together: set both or neither")
    return Certificate(settings.tls_certificate, settings.tls_private_key)


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()

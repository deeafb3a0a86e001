"""A server of the signalling endpoints alone, with a registry in memory behind their Protocol."""

import itertools
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from rtc_server.errors import OfferMalformed, PeerUnknown
from rtc_server.learner import Grant, Learner
from rtc_server.record import EndReason
from rtc_server.web.access.auth import mint_token, token_verifier
from rtc_server.web.access.client_address import ClientAddresses
from rtc_server.web.access.read_access import ReadAccess
from rtc_server.web.access.request_rate import RequestRate, stranger_rate_middleware
from rtc_server.web.ice_servers import IceServers, IceServersEndpoint
from rtc_server.web.offer import OfferEndpoint
from rtc_server.web.server.cors import cors_middleware
from rtc_server.web.server.http_server import server_runner
from rtc_server.web.server.problems import problem_middleware
from rtc_server.web.server.request_log import request_log_middleware
from rtc_server.web.server.response_headers import response_headers_middleware
from rtc_server.web.server.unread_bodies import unread_body_middleware
from rtc_server.web.signalling import Signalling
from rtc_server.web.whip import WhipEndpoint

SECRET = "a-secret-for-tests-of-more-than-32-bytes"
AUDIENCE = "rtc-server"
LEARNER = Learner(user_id=7, module_id=3, section_id=2)
MAX_BODY_BYTES = 32 * 1024
OFFER = "v=0\r\n"


@dataclass(frozen=True)
class MemoryPeer:
    peer_id: str
    etag: str
    sdp: str
    grant: Grant
    offer_sdp: str
    continues: str | None
    consent_at: datetime | None
    client_address: str


@dataclass
class MemoryPeers:
    """Stands for the registry: takes any offer that begins as SDP does. `fault` is raised, where set."""

    fault: Exception | None = None
    live: dict[str, MemoryPeer] = field(default_factory=dict)
    fragments: list[tuple[str, str]] = field(default_factory=list)
    ended: list[tuple[str, str]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    async def connect(
        self,
        offer_sdp: str,
        grant: Grant,
        *,
        continues: str | None = None,
        consent_at: datetime | None = None,
        client_address: str = "",
    ) -> MemoryPeer:
        self._fail()
        if not offer_sdp.startswith("v=0"):
            raise OfferMalformed("This is not SDP.")
        peer_id = f"peer-{next(self.numbers)}"
        answer = MemoryPeer(
            peer_id, f"ice-{peer_id}", "v=0\r\ns=-\r\n", grant, offer_sdp, continues, consent_at, client_address
        )
        self.live[peer_id] = answer
        return answer

    async def trickle(self, peer_id: str, fragment: str) -> None:
        self._fail()
        self.fragments.append((peer_id, fragment))

    async def close_peer(self, peer_id: str, reason: EndReason) -> None:
        self._fail()
        del self.live[peer_id]
        self.ended.append((peer_id, reason))

    def peer(self, peer_id: str) -> MemoryPeer:
        if peer_id not in self.live:
            raise PeerUnknown("No such session.")
        return self.live[peer_id]

    def _fail(self) -> None:
        if self.fault is not None:
            raise self.fault


def bearer(learner: Learner = LEARNER, **choices: object) -> dict[str, str]:
    token = mint_token(SECRET, learner, audience=AUDIENCE, **choices)  # type: ignore[arg-type]
    return {"Authorization": f"Bearer {token}"}


def signalling_application(
    peers: MemoryPeers,
    *,
    cors_origins: tuple[str, ...] = (),
    offers_per_minute: int = 1000,
    offers_per_minute_per_user: int = 1000,
    reads_per_minute: int = 1000,
    body_timeout: float = 5.0,
    trusted_proxies: tuple[str, ...] = (),
    ice_servers: IceServers | None = None,
) -> web.Application:
    tokens = token_verifier(secrets=[SECRET], audience=AUDIENCE, policies=["reading", "video"])
    ice = ice_servers or IceServers()
    addresses = ClientAddresses(trusted_proxies)
    signalling = Signalling(
        peers,
        tokens,
        addresses=addresses,
        learner_rate=RequestRate.of_learners(offers_per_minute_per_user),
        address_rate=RequestRate.of_addresses(offers_per_minute),
        max_body_bytes=MAX_BODY_BYTES,
        body_timeout=body_timeout,
    )
    application = web.Application(
        middlewares=[
            request_log_middleware,
            unread_body_middleware(MAX_BODY_BYTES),
            response_headers_middleware,
            cors_middleware(cors_origins),
            problem_middleware,
            stranger_rate_middleware(addresses, RequestRate.of_addresses(offers_per_minute)),
        ]
    )
    application.add_routes(
        [
            *WhipEndpoint(signalling, peers, ice).routes(),
            *OfferEndpoint(signalling).routes(),
            *IceServersEndpoint(ReadAccess(tokens, RequestRate.of_learners(reads_per_minute)), ice).routes(),
        ]
    )
    return application


class Server(TestServer):
    """Runs as the real one does, with its clocks."""

    def __init__(self, application: web.Application, header_timeout: float) -> None:
        super().__init__(application)
        self._header_timeout = header_timeout

    async def _make_runner(self, **_: object) -> web.AppRunner:
        return server_runner(self.app, header_timeout=self._header_timeout)


Routes = Sequence[web.RouteDef]
Serve = Callable[..., Awaitable[TestClient[web.Request, web.Application]]]

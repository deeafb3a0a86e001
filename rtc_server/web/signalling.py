"""What the endpoints for offers share: token, rate, body, and the registry of peers."""

from datetime import datetime
from typing import Protocol

from aiohttp import web

from rtc_server.errors import OfferMalformed
from rtc_server.learner import Grant
from rtc_server.record import EndReason
from rtc_server.web.access.auth import TokenVerifier
from rtc_server.web.access.client_address import ClientAddresses
from rtc_server.web.access.request_rate import RequestRate
from rtc_server.web.server.requests import consent_time, continued_session, read_text


class Answer(Protocol):
    """What the registry answers an offer with."""

    @property
    def peer_id(self) -> str: ...
    @property
    def etag(self) -> str:
        """Names the ICE session (RFC 9725, 4.3.1), without quotes."""
        ...

    @property
    def sdp(self) -> str: ...


class LivePeer(Protocol):
    @property
    def grant(self) -> Grant: ...
    @property
    def etag(self) -> str: ...


class Peers(Protocol):
    """The registry of live peers, as seen from HTTP."""

    async def connect(
        self,
        offer_sdp: str,
        grant: Grant,
        *,
        continues: str | None = None,
        consent_at: datetime | None = None,
        client_address: str = "",
    ) -> Answer:
        """Raises OfferMalformed, OfferUnacceptable, ServerFull, RateLimited."""
        ...

    async def trickle(self, peer_id: str, fragment: str) -> None:
        """Raises PeerUnknown, OfferMalformed, OfferUnacceptable (an ICE restart)."""
        ...

    async def close_peer(self, peer_id: str, reason: EndReason) -> None: ...

    def peer(self, peer_id: str) -> LivePeer:
        """Raises PeerUnknown."""
        ...


class Signalling:
    """Checks a request's token and rate, reads its body, and asks the registry for a peer."""

    def __init__(
        self,
        peers: Peers,
        tokens: TokenVerifier,
        *,
        addresses: ClientAddresses,
        learner_rate: RequestRate,
        address_rate: RequestRate,
        max_body_bytes: int,
        body_timeout: float,
    ) -> None:
        self._peers = peers
        self._tokens = tokens
        self._addresses = addresses
        self._learner_rate = learner_rate
        self._address_rate = address_rate
        self._max_body_bytes = max_body_bytes
        self._body_timeout = body_timeout

    async def admit(self, request: web.Request, *, cost: float | None = None) -> Grant:
        """What the token allows. Raises RateLimited, and what TokenVerifier.grant raises.

        cost: what the request takes from its learner's allowance, in offers; by default nothing. It is taken before
        the body is read, so that bad bodies cost their sender as much as good ones.
        """
        grant = await self._tokens.grant(request.headers.get("Authorization"))
        if cost is not None:
            self._learner_rate.spend(grant.learner.user_id, cost)
        return grant

    async def read(self, request: web.Request, media_type: str) -> str:
        """The body as text. Raises OfferMalformed, MediaTypeUnsupported and TooSlow."""
        return await read_text(
            request,
            media_type,
            max_bytes=self._max_body_bytes,
            timeout=self._body_timeout,
            too_large=OfferMalformed(f"The body is longer than {self._max_body_bytes} bytes."),
            undecodable=OfferMalformed("The body is not UTF-8."),
        )

    async def connect(self, request: web.Request, grant: Grant, offer_sdp: str) -> Answer:
        """Asks the registry for a peer. Raises RateLimited, MalformedRequest, and what Peers.connect raises.

        Only here is the address charged: one learner takes no more of it than their own allowance.
        """
        continues, consent_at = continued_session(request), consent_time(request)
        address = self._addresses.of(request)
        self._address_rate.spend(address)
        return await self._peers.connect(
            offer_sdp, grant, continues=continues, consent_at=consent_at, client_address=address
        )

"""The steps that all endpoints for offers share: token, rate, body, and the call to the registry of peers."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol

from aiohttp import web

from rtc_server.errors import (
    KeysUnavailable,
    MalformedRequest,
    MediaTypeUnsupported,
    NotAllowed,
    OfferMalformed,
    OfferUnacceptable,
    RateLimited,
    RtcServerError,
    ServerFull,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    TooSlow,
)
from rtc_server.learner import Grant
from rtc_server.record import EndReason
from rtc_server.tally import Tally
from rtc_server.web.access.auth import TokenVerifier
from rtc_server.web.access.client_address import ClientAddresses
from rtc_server.web.access.passport import passport_of
from rtc_server.web.access.request_rate import RequestRate
from rtc_server.web.server.requests import consent_time, continued_session, read_text

ANSWERED, FAILED = "answered", "internal"
REFUSALS = {
    error.code
    for error in (
        *(TokenMissing, TokenInvalid, TokenExpired, NotAllowed, KeysUnavailable, RateLimited, ServerFull),
        *(MalformedRequest, MediaTypeUnsupported, OfferMalformed, OfferUnacceptable, TooSlow),
    )
}
"""Codes of the errors that an offer may be answered with."""


class Answer(Protocol):
    """The registry's answer to an offer."""

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
    """What HTTP needs of the registry of live peers."""

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
        self.offers = Tally((ANSWERED, FAILED, *sorted(REFUSALS)))
        """By what came of them: answered, the error's code, or failed by a bug."""

    @contextmanager
    def offer(self, *, answered: bool) -> Iterator[None]:
        """Counts what comes of an offer. answered: this is the last step; else only refusals are counted."""
        try:
            yield
        except RtcServerError as error:
            self.offers.add(error.code if error.code in REFUSALS else FAILED)
            raise
        except Exception:
            self.offers.add(FAILED)
            raise
        if answered:
            self.offers.add(ANSWERED)

    async def admit(self, request: web.Request, *, cost: float | None = None) -> Grant:
        """What the token allows. Raises RateLimited, and the errors of TokenVerifier.grant.

        cost: how much of the learner's allowance the request uses, in offers; by default nothing. It is taken before
        the body is read, so that an invalid body costs as much as a valid one. What another server of the fleet has
        relayed was charged there.
        """
        grant = await self._tokens.grant(request.headers.get("Authorization"))
        if cost is not None and passport_of(request) is None:
            self._learner_rate.spend(grant.learner.user_id, cost)
        return grant

    async def read(self, request: web.Request, media_type: str) -> str:
        """The body as text. Raises OfferMalformed, MediaTypeUnsupported or TooSlow."""
        return await read_text(
            request,
            media_type,
            max_bytes=self._max_body_bytes,
            timeout=self._body_timeout,
            too_large=OfferMalformed(f"The body is longer than {self._max_body_bytes} bytes."),
            undecodable=OfferMalformed("The body is not UTF-8."),
        )

    async def connect(self, request: web.Request, grant: Grant, offer_sdp: str) -> Answer:
        """Asks the registry for a peer. Raises MalformedRequest, and the errors of Peers.connect."""
        continues, consent_at = continued_session(request), consent_time(request)
        address = self._addresses.of(request)
        return await self._peers.connect(
            offer_sdp, grant, continues=continues, consent_at=consent_at, client_address=address
        )

    def charge_address(self, request: web.Request) -> None:
        """For an offer that is well-formed, after the learner's own allowance. Raises RateLimited, MalformedRequest.

        So one learner cannot use up all of an address's allowance.
        """
        continued_session(request)  # what is malformed is refused before it is charged
        consent_time(request)
        if passport_of(request) is None:
            self._address_rate.spend(self._addresses.of(request))

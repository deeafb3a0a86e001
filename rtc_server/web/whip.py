"""WHIP, the WebRTC-HTTP Ingestion Protocol (RFC 9725): an endpoint, and a resource for each peer.

POST /whip makes a peer and returns its address. PATCH to that address sends candidates; DELETE ends the peer. An ICE
restart is refused with 422: the client makes a new peer that continues the FocusSession.
"""

import re

from aiohttp import web

from rtc_server.errors import NotAllowed, PreconditionFailed, PreconditionMissing
from rtc_server.learner import Grant
from rtc_server.record import EndReason
from rtc_server.web.access.request_rate import TRICKLE_COST
from rtc_server.web.elsewhere import Elsewhere, OnlyHere
from rtc_server.web.ice_servers import IceServers
from rtc_server.web.server.requests import answer_options
from rtc_server.web.signalling import LivePeer, Peers, Signalling

OFFER_TYPE = "application/sdp"
FRAGMENT_TYPE = "application/trickle-ice-sdpfrag"

_ENTITY_TAG = re.compile(r'(W/)?"([^"]*)"')


class WhipEndpoint:
    def __init__(
        self, signalling: Signalling, peers: Peers, ice_servers: IceServers, elsewhere: Elsewhere | None = None
    ) -> None:
        """elsewhere: the other servers of the fleet, where there are some."""
        self._signalling = signalling
        self._elsewhere = elsewhere or OnlyHere()
        self._peers = peers
        self._ice_servers = ice_servers

    def routes(self) -> list[web.RouteDef]:
        """The router answers other methods with 405, as RFC 9725 requires (4.2)."""
        session = "/whip/{peer_id}"
        return [
            web.post("/whip", self._create),
            web.options("/whip", answer_options("POST", accept=("Accept-Post", OFFER_TYPE))),
            web.patch(session, self._trickle),
            web.delete(session, self._end),
            web.options(session, answer_options("PATCH", "DELETE", accept=("Accept-Patch", FRAGMENT_TYPE))),
        ]

    async def _create(self, request: web.Request) -> web.Response:
        with self._signalling.offer(answered=False):
            grant = await self._signalling.admit(request, cost=1.0)
            offer_sdp = await self._signalling.read(request, OFFER_TYPE)
            self._signalling.charge_address(request)
        return await self._elsewhere.offer(request, offer_sdp, lambda: self._answer(request, grant, offer_sdp))

    async def _answer(self, request: web.Request, grant: Grant, offer_sdp: str) -> web.Response:
        with self._signalling.offer(answered=True):
            answer = await self._signalling.connect(request, grant, offer_sdp)
        response = web.Response(status=201, body=answer.sdp.encode(), content_type=OFFER_TYPE)
        response.headers["Location"] = f"/whip/{answer.peer_id}"
        response.headers["ETag"] = f'"{answer.etag}"'
        for server in self._ice_servers.for_learner(grant.learner):
            for link in server.as_links():
                response.headers.add("Link", link)
        return response

    async def _trickle(self, request: web.Request) -> web.Response:
        grant = await self._signalling.admit(request, cost=TRICKLE_COST)
        fragment = await self._signalling.read(request, FRAGMENT_TYPE)
        peer_id = request.match_info["peer_id"]

        async def here() -> web.Response:
            _require_match(request, self._own_peer(peer_id, grant))
            await self._peers.trickle(peer_id, fragment)
            return web.Response(status=204)

        return await self._elsewhere.peer(request, peer_id, fragment, here)

    async def _end(self, request: web.Request) -> web.Response:
        grant = await self._signalling.admit(request)
        peer_id = request.match_info["peer_id"]

        async def here() -> web.Response:
            # If-Match is ignored, as RFC 9725 requires where no ICE session is meant (4.3.1).
            self._own_peer(peer_id, grant)
            await self._peers.close_peer(peer_id, EndReason.STOPPED)
            return web.Response(status=200)

        return await self._elsewhere.peer(request, peer_id, "", here)

    def _own_peer(self, peer_id: str, grant: Grant) -> LivePeer:
        """If it belongs to the bearer. Raises NotAllowed or PeerUnknown."""
        peer = self._peers.peer(peer_id)
        if peer.grant.learner != grant.learner:
            raise NotAllowed("This session belongs to another learner.")
        return peer


def _require_match(request: web.Request, peer: LivePeer) -> None:
    """`*` means an ICE restart, which the registry refuses when the fragment asks for one."""
    header = ",".join(request.headers.getall("If-Match", ()))
    if not header:
        raise PreconditionMissing("Send If-Match with the ETag of the answer.")
    # If-Match compares strongly (RFC 9110, 13.1.1): a weak tag matches nothing.
    strong_tags = [tag for weak, tag in _ENTITY_TAG.findall(header) if not weak]
    if header.strip() != "*" and peer.etag not in strong_tags:
        raise PreconditionFailed("If-Match does not name the current ICE session.")

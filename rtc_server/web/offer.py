"""POST /offer: the offer and the answer as JSON, as in aiortc's examples. It does what POST /whip does."""

import json

from aiohttp import web

from rtc_server.errors import MalformedRequest, OfferMalformed
from rtc_server.learner import Grant
from rtc_server.web.elsewhere import Elsewhere, OnlyHere
from rtc_server.web.server.requests import answer_options
from rtc_server.web.signalling import Signalling


class OfferEndpoint:
    def __init__(self, signalling: Signalling, elsewhere: Elsewhere | None = None) -> None:
        """elsewhere: the other servers of the fleet, where there are some."""
        self._signalling = signalling
        self._elsewhere = elsewhere or OnlyHere()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/offer", self._create),
            web.options("/offer", answer_options("POST", accept=("Accept-Post", "application/json"))),
        ]

    async def _create(self, request: web.Request) -> web.Response:
        with self._signalling.offer(answered=False):
            grant = await self._signalling.admit(request, cost=1.0)
            body = await self._signalling.read(request, "application/json")
            offer_sdp = _offer_of(body)
            self._signalling.charge_address(request)
        return await self._elsewhere.offer(request, body, lambda: self._answer(request, grant, offer_sdp))

    async def _answer(self, request: web.Request, grant: Grant, offer_sdp: str) -> web.Response:
        with self._signalling.offer(answered=True):
            answer = await self._signalling.connect(request, grant, offer_sdp)
        return web.json_response({"sdp": answer.sdp, "type": "answer", "peer_id": answer.peer_id})


def _offer_of(body: str) -> str:
    """Raises MalformedRequest if it is not JSON, OfferMalformed if it is not an offer."""
    try:
        described = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedRequest("The body is not JSON.") from None
    match described:
        case {"sdp": str(sdp), "type": "offer"}:
            return sdp
        case _:
            raise OfferMalformed('Send {"sdp": "…", "type": "offer"}.')

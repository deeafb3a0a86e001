"""POST /offer: aiortc's habit of JSON in, JSON out. A second, thin door to the registry behind WHIP."""

import json

from aiohttp import web

from rtc_server.errors import MalformedRequest, OfferMalformed
from rtc_server.signalling.reception import Reception
from rtc_server.signalling.requests import answer_options


class OfferDoor:
    def __init__(self, reception: Reception) -> None:
        self._reception = reception

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/offer", self._create),
            web.options("/offer", answer_options("POST", accept=("Accept-Post", "application/json"))),
        ]

    async def _create(self, request: web.Request) -> web.Response:
        grant = await self._reception.admit(request, cost=1.0)
        offer_sdp = _offer_of(await self._reception.read(request, "application/json"))
        answer = await self._reception.connect(request, grant, offer_sdp)
        return web.json_response({"sdp": answer.sdp, "type": "answer", "peer_id": answer.peer_id})


def _offer_of(body: str) -> str:
    """Raises MalformedRequest for what is not JSON, OfferMalformed for what is no offer."""
    try:
        described = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedRequest("The body is not JSON.") from None
    match described:
        case {"sdp": str(sdp), "type": "offer"}:
            return sdp
        case _:
            raise OfferMalformed('Send {"sdp": "…", "type": "offer"}.')

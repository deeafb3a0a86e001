"""Offers and answers as JSON."""

import json

import pytest

from rtc_server.errors import DecodeFailed, ServerFull
from rtc_server.web.access.client_address import ClientAddresses
from rtc_server.web.access.request_rate import RequestRate
from rtc_server.web.ice_servers import IceServers
from rtc_server.web.offer import OfferEndpoint
from rtc_server.web.signalling import Signalling
from rtc_server.web.whip import WhipEndpoint
from tests.web.endpoints import LEARNER, MAX_BODY_BYTES, OFFER, bearer

JSON = {"Content-Type": "application/json"}


async def test_an_offer_gets_an_answer(client, peers):
    body = {"sdp": OFFER, "type": "offer"}
    response = await client.post("/offer?consent_at=2026-01-02T03:04:05Z", json=body, headers=bearer())

    assert response.status == 200
    answer = await response.json()
    assert answer["type"] == "answer"
    assert answer["sdp"].startswith("v=0")
    assert peers.live[answer["peer_id"]].grant.learner == LEARNER
    assert peers.live[answer["peer_id"]].consent_at is not None


async def test_its_peer_is_ended_over_whip(client, peers):
    answer = await (await client.post("/offer", json={"sdp": OFFER, "type": "offer"}, headers=bearer())).json()

    assert (await client.delete(f"/whip/{answer['peer_id']}", headers=bearer())).status == 200
    assert peers.live == {}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed"),
        (b"v=0", "malformed"),
        (b"[" * 30_000, "malformed"),
        (b"\xff", "offer_malformed"),
        (b"[]", "offer_malformed"),
        (b'"v=0"', "offer_malformed"),
        (b"{}", "offer_malformed"),
        (b'{"sdp": "v=0"}', "offer_malformed"),
        (b'{"sdp": "v=0", "type": "answer"}', "offer_malformed"),
        (b'{"sdp": 7, "type": "offer"}', "offer_malformed"),
        (json.dumps({"sdp": "", "type": "offer"}).encode(), "offer_malformed"),
        (json.dumps({"sdp": "v=0" + " " * 33_000, "type": "offer"}).encode(), "offer_malformed"),
    ],
)
async def test_what_is_no_offer_gets_400(client, peers, body, code):
    response = await client.post("/offer", data=body, headers=JSON | bearer())

    assert response.status == 400
    assert (await response.json(content_type=None))["code"] == code
    assert peers.live == {}


async def test_no_token_no_peer(client, peers):
    assert (await client.post("/offer", json={"sdp": OFFER, "type": "offer"})).status == 401
    assert peers.live == {}


@pytest.mark.parametrize("path", ["/offer", "/whip"])
async def test_offers_are_counted_by_what_came_of_them(serve, peers, tokens, path):
    signalling = Signalling(
        peers,
        tokens,
        addresses=ClientAddresses(()),
        learner_rate=RequestRate.of_learners(1000),
        address_rate=RequestRate.of_addresses(1000),
        max_body_bytes=MAX_BODY_BYTES,
        body_timeout=5.0,
    )
    client = await serve([*OfferEndpoint(signalling).routes(), *WhipEndpoint(signalling, peers, IceServers()).routes()])

    async def send(sdp=OFFER, token=None):
        headers = bearer() if token is None else token
        if path == "/whip":
            await client.post(path, data=sdp, headers=headers | {"Content-Type": "application/sdp"})
        else:
            await client.post(path, json={"sdp": sdp, "type": "offer"}, headers=headers)

    await send()
    await send("no offer")
    await send(token={})
    for peers.fault in (ServerFull("Full.", 1.0), RuntimeError("a bug"), DecodeFailed("a bug too")):
        await send()
    assert {outcome: count for outcome, count in signalling.offers.read().items() if count} == {
        "answered": 1,
        "offer_malformed": 1,
        "token_missing": 1,
        "server_full": 1,
        "internal": 2,
    }

"""Bad offers over HTTP against the real registry: the right status, and nothing left behind."""

import json

import pytest

from rtc_server.analysis.pool import AnalysisPool
from rtc_server.peer.peer import PeerServices
from rtc_server.peer.registry import PeerRegistry
from tests.peer.stand_ins import Analysers, Records
from tests.sdp.offers import CHANNELS, VIDEO, offer
from tests.web.endpoints import bearer, signalling_application

SDP = {"Content-Type": "application/sdp"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}

BAD_OFFERS = {
    "empty": ("", 400),
    "not SDP": ("hello", 400),
    "only a beginning": ("v=0\r\n", 400),
    "over 32 KB": (offer() + "a=x:" + "y" * 33_000 + "\r\n", 400),
    "no video": (offer(CHANNELS, group="1"), 400),
    "two videos": (offer(VIDEO, VIDEO.replace("a=mid:0", "a=mid:2"), CHANNELS, group="0 2 1"), 400),
    "video that is only received": (offer(VIDEO.replace("sendonly", "recvonly"), CHANNELS), 400),
    "video that is inactive": (offer(VIDEO.replace("sendonly", "inactive"), CHANNELS), 400),
    "no codec of ours": (offer(VIDEO.replace("VP8/", "AV1/").replace("H264/", "VP9/"), CHANNELS), 422),
}


@pytest.fixture
async def registry():
    pool = AnalysisPool(1)
    services = PeerServices(make_analyser=Analysers(), recorder=Records(), pool=pool)
    registry = PeerRegistry(services, max_peers=1, resume_window_s=60.0)
    yield registry
    await registry.close()
    await pool.close()


@pytest.fixture
async def client(serve, registry):
    return await serve(signalling_application(registry))


@pytest.mark.parametrize(("sdp", "status"), BAD_OFFERS.values(), ids=BAD_OFFERS.keys())
@pytest.mark.parametrize("path", ["/whip", "/offer"])
async def test_a_bad_offer_is_refused_alike_at_both_endpoints(client, registry, path, sdp, status):
    if path == "/whip":
        response = await client.post(path, data=sdp, headers=SDP | bearer())
    else:
        body = json.dumps({"sdp": sdp, "type": "offer"})
        response = await client.post(path, data=body, headers=bearer() | {"Content-Type": "application/json"})

    assert response.status == status
    assert response.content_type == "application/problem+json"
    assert len(registry) == 0
    # There is one place, and it is still free.
    assert (await client.post("/whip", data=offer(), headers=SDP | bearer())).status == 201


async def test_from_the_offer_to_the_end(client, registry):
    created = await client.post("/whip", data=offer(), headers=SDP | bearer())
    session, match = created.headers["Location"], {"If-Match": created.headers["ETag"]}
    answer = await created.text()
    assert "a=recvonly" in answer
    assert "a=rtcp-mux-only" in answer

    candidate = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=end-of-candidates\r\n"
    trickled = await client.patch(session, data=candidate, headers=FRAGMENT | match | bearer())
    assert trickled.status == 204

    restart = candidate.replace("abcd", "efgh")
    for precondition in ({"If-Match": "*"}, match):
        refused = await client.patch(session, data=restart, headers=FRAGMENT | precondition | bearer())
        assert refused.status == 422

    malformed = await client.patch(session, data="hello", headers=FRAGMENT | match | bearer())
    assert malformed.status == 400

    assert len(registry) == 1
    assert (await client.delete(session, headers=bearer())).status == 200

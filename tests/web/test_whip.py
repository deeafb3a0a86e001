"""The WHIP checklist: what RFC 9725 asks of a server, request by request."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from rtc_server.errors import OfferUnacceptable, RateLimited, ServerFull
from rtc_server.learner import Learner
from rtc_server.web.ice_servers import IceServers
from tests.web.endpoints import LEARNER, OFFER, bearer, signalling_application

SDP = {"Content-Type": "application/sdp"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}
MATCH = {"If-Match": '"ice-peer-0"'}
CANDIDATE = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\na=end-of-candidates\r\n"
SESSION = "/whip/peer-0"


async def connect(client):
    return await client.post("/whip", data=OFFER, headers=SDP | bearer())


async def test_an_offer_makes_a_peer(client, peers):
    response = await connect(client)

    assert response.status == 201
    assert response.headers["Content-Type"] == "application/sdp"
    assert response.headers["Location"] == SESSION
    assert response.headers["ETag"] == '"ice-peer-0"'
    assert "Link" not in response.headers
    assert (await response.text()).startswith("v=0")
    assert peers.live["peer-0"].offer_sdp == OFFER
    assert peers.live["peer-0"].grant.learner == LEARNER
    assert peers.live["peer-0"].client_address == "127.0.0.1"


async def test_ice_servers_come_with_the_answer(serve, peers):
    ice = IceServers(
        stun_urls=["stun:stun.example.net"],
        turn_urls=["turn:turn.example.net?transport=udp", "turns:turn.example.net?transport=tcp"],
        turn_secret="what-server-and-relay-share-and-nobody-else",
        now=lambda: 1000.0,
    )
    client = await serve(signalling_application(peers, ice_servers=ice))

    links = (await connect(client)).headers.getall("Link")

    assert links[0] == '<stun:stun.example.net>; rel="ice-server"'
    assert links[1].startswith('<turn:turn.example.net?transport=udp>; rel="ice-server"; username="4600:')
    assert links[2].startswith('<turns:turn.example.net?transport=tcp>; rel="ice-server"; username="4600:')
    assert all('; credential="' in link and link.endswith('; credential-type="password"') for link in links[1:])


async def test_candidates_trickle(client, peers):
    await connect(client)

    response = await client.patch(SESSION, data=CANDIDATE, headers=FRAGMENT | MATCH | bearer())

    assert response.status == 204
    assert "ETag" not in response.headers
    assert await response.read() == b""
    assert peers.fragments == [("peer-0", CANDIDATE)]


async def test_the_client_ends_the_session(client, peers):
    await connect(client)

    # RFC 9725, 4.3.1: an entity tag is ignored where no ICE session has to match.
    response = await client.delete(SESSION, headers={"If-Match": '"another"'} | bearer())

    assert response.status == 200
    assert peers.ended == [("peer-0", "stopped")]
    assert (await client.delete(SESSION, headers=bearer())).status == 404


@dataclass(frozen=True)
class Refusal:
    what: str
    method: str
    path: str
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    code: str = ""


ANOTHER = bearer(Learner(user_id=8, module_id=3, section_id=2))
ANOTHER_MODULE = bearer(Learner(user_id=7, module_id=4, section_id=2))
TEACHER = bearer(Learner(user_id=9, module_id=3), role="teacher")

REFUSALS = [
    Refusal("no token", "POST", "/whip", 401, SDP, b"v=0", "token_missing"),
    Refusal("token in the query", "POST", "/whip?token=x", 401, SDP, b"v=0", "token_missing"),
    Refusal("another scheme", "POST", "/whip", 401, SDP | {"Authorization": "Basic eDp5"}, b"v=0", "token_missing"),
    Refusal("a forged token", "POST", "/whip", 401, SDP | {"Authorization": "Bearer x.y.z"}, b"v=0", "token_invalid"),
    Refusal("no content type", "POST", "/whip", 415, bearer(), b"v=0", "media_type_unsupported"),
    Refusal("JSON", "POST", "/whip", 415, bearer() | {"Content-Type": "application/json"}, b"{}"),
    Refusal("compressed", "POST", "/whip", 415, bearer() | SDP | {"Content-Encoding": "br"}, b"v=0"),
    Refusal("an empty body", "POST", "/whip", 400, bearer() | SDP, b"", "offer_malformed"),
    Refusal("not SDP", "POST", "/whip", 400, bearer() | SDP, b"hello", "offer_malformed"),
    Refusal("not UTF-8", "POST", "/whip", 400, bearer() | SDP, b"v=0\xff", "offer_malformed"),
    Refusal("over 32 KB", "POST", "/whip", 400, bearer() | SDP, b"v=0" + b" " * 32768, "offer_malformed"),
    Refusal("far over 32 KB", "POST", "/whip", 400, bearer() | SDP, b"v" * 900_000, "offer_malformed"),
    Refusal("not a session id", "POST", "/whip?continues=7", 400, bearer() | SDP, b"v=0", "malformed"),
    Refusal("no time", "POST", "/whip?consent_at=yes", 400, bearer() | SDP, b"v=0", "malformed"),
    Refusal("a time of no place", "POST", "/whip?consent_at=2026-01-01T00:00", 400, bearer() | SDP, b"v=0"),
    Refusal("the first year", "POST", "/whip?consent_at=0001-01-01T00:00%2B14:00", 400, bearer() | SDP, b"v=0"),
    Refusal("GET", "GET", "/whip", 405),
    Refusal("HEAD", "HEAD", "/whip", 405),
    Refusal("PUT", "PUT", "/whip", 405),
    Refusal("GET of a session", "GET", SESSION, 405),
    Refusal("POST to a session", "POST", SESSION, 405),
    Refusal("PUT to a session", "PUT", SESSION, 405),
    Refusal("trickle without a token", "PATCH", SESSION, 401, FRAGMENT | MATCH, b"a=mid:0"),
    Refusal("trickle by another", "PATCH", SESSION, 403, FRAGMENT | MATCH | ANOTHER, b"a=mid:0", "not_allowed"),
    Refusal("trickle from another module", "PATCH", SESSION, 403, FRAGMENT | MATCH | ANOTHER_MODULE),
    Refusal("trickle by a teacher", "PATCH", SESSION, 403, FRAGMENT | MATCH | TEACHER),
    Refusal("trickle to nobody", "PATCH", "/whip/gone", 404, FRAGMENT | MATCH | bearer(), b"", "peer_unknown"),
    Refusal("trickle of SDP", "PATCH", SESSION, 415, SDP | MATCH | bearer(), b"v=0", "media_type_unsupported"),
    Refusal("no If-Match", "PATCH", SESSION, 428, FRAGMENT | bearer(), b"a=mid:0", "precondition_missing"),
    Refusal("another ICE session", "PATCH", SESSION, 412, FRAGMENT | {"If-Match": '"x"'} | bearer(), b"a=mid:0"),
    Refusal("a weak tag", "PATCH", SESSION, 412, FRAGMENT | {"If-Match": 'W/"ice-peer-0"'} | bearer(), b"a=mid:0"),
    Refusal("an unquoted tag", "PATCH", SESSION, 412, FRAGMENT | {"If-Match": "ice-peer-0"} | bearer(), b"a=mid:0"),
    Refusal("a long fragment", "PATCH", SESSION, 400, FRAGMENT | MATCH | bearer(), b"a" * 40_000, "offer_malformed"),
    Refusal("ended without a token", "DELETE", SESSION, 401),
    Refusal("ended by another", "DELETE", SESSION, 403, ANOTHER, b"", "not_allowed"),
    Refusal("ended by a teacher", "DELETE", SESSION, 403, TEACHER),
    Refusal("nobody ended", "DELETE", "/whip/gone", 404, bearer(), b"", "peer_unknown"),
    Refusal("no such path", "GET", "/whap", 404),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.what)
async def test_refusals_are_problems_and_leave_all_as_it_was(client, peers, refusal):
    await connect(client)

    response = await client.request(
        refusal.method, refusal.path, data=refusal.body, headers=refusal.headers, skip_auto_headers=["Content-Type"]
    )

    assert response.status == refusal.status
    assert response.content_type == "application/problem+json"
    if refusal.method != "HEAD":
        problem = await response.json(content_type=None)
        assert set(problem) == {"title", "status", "detail", "code"}
        assert problem["status"] == refusal.status
        assert refusal.code in ("", problem["code"])
    assert ("WWW-Authenticate" in response.headers) == (refusal.status == 401)
    assert ("Allow" in response.headers) == (refusal.status == 405)
    assert list(peers.live) == ["peer-0"]
    assert peers.fragments == []


@pytest.mark.parametrize(
    ("path", "allow", "accept"),
    [
        ("/whip", "POST, OPTIONS", ("Accept-Post", "application/sdp")),
        (SESSION, "PATCH, DELETE, OPTIONS", ("Accept-Patch", "application/trickle-ice-sdpfrag")),
        ("/offer", "POST, OPTIONS", ("Accept-Post", "application/json")),
    ],
)
async def test_options_tell_what_a_resource_takes(client, path, allow, accept):
    response = await client.options(path)

    assert response.status == 200
    assert response.headers["Allow"] == allow
    assert response.headers[accept[0]] == accept[1]


async def test_one_tag_among_several_is_enough(client, peers):
    await connect(client)
    headers = FRAGMENT | bearer() | {"If-Match": 'W/"y", "x", "ice-peer-0"'}

    assert (await client.patch(SESSION, data=CANDIDATE, headers=headers)).status == 204


async def test_an_ice_restart_is_refused_and_the_session_lives_on(client, peers):
    await connect(client)
    peers.fault = OfferUnacceptable("ICE can't be restarted here.")

    response = await client.patch(SESSION, data=CANDIDATE, headers=FRAGMENT | bearer() | {"If-Match": "*"})

    assert response.status == 422
    assert list(peers.live) == ["peer-0"]


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (OfferUnacceptable("No codec."), 422),
        (ServerFull("Full.", retry_after_s=4.2), 503),
        (RateLimited("Too many.", retry_after_s=0.1), 429),
        (RuntimeError("a bug"), 500),
    ],
)
@pytest.mark.parametrize("path", ["/whip", "/offer"])
async def test_what_the_registry_refuses_is_said_alike_at_both_endpoints(client, peers, path, fault, status):
    peers.fault = fault
    body = OFFER if path == "/whip" else json.dumps({"sdp": OFFER, "type": "offer"})
    kind = "application/sdp" if path == "/whip" else "application/json"

    response = await client.post(path, data=body, headers=bearer() | {"Content-Type": kind})

    assert response.status == status
    assert (await response.json(content_type=None))["status"] == status
    assert ("Retry-After" in response.headers) == (status in (429, 503))
    assert "bug" not in await response.text()


async def test_a_peer_may_continue_a_session_and_bring_the_consent(client, peers):
    query = {"continues": "6F9619FF-8B86-D011-B42D-00CF4FC964FF", "consent_at": "2026-01-02T03:04:05+02:00"}

    response = await client.post("/whip", params=query, data=OFFER, headers=SDP | bearer())

    assert response.status == 201
    assert peers.live["peer-0"].continues == "6f9619ff-8b86-d011-b42d-00cf4fc964ff"
    assert peers.live["peer-0"].consent_at == datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)


async def test_nobody_consents_in_the_future(client, peers):
    await client.post("/whip?consent_at=2999-01-01T00:00:00Z", data=OFFER, headers=SDP | bearer())

    consent_at = peers.live["peer-0"].consent_at
    assert consent_at is not None
    assert consent_at <= datetime.now(UTC)

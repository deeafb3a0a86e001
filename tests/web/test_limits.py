"""How much one learner and one address may do, and which address that is."""

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from rtc_server.errors import RateLimited, SettingsError
from rtc_server.learner import Learner
from rtc_server.web.access.client_address import ClientAddresses
from rtc_server.web.access.request_rate import RequestRate
from tests.web.endpoints import OFFER, bearer, signalling_application

SDP = {"Content-Type": "application/sdp"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": '"ice-peer-0"'}


async def test_offers_past_the_rate_get_429_and_when_to_come_back(serve, peers):
    client = await serve(signalling_application(peers, offers_per_minute=2))

    statuses = [(await client.post("/whip", data=OFFER, headers=SDP | bearer())).status for _ in range(3)]
    refused = await client.post("/offer", json={"sdp": OFFER, "type": "offer"}, headers=bearer())

    assert statuses == [201, 201, 429]
    assert refused.status == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 30
    assert len(peers.live) == 2


@pytest.mark.parametrize(
    "flood",
    [
        {"method": "POST", "path": "/whip", "data": "x", "headers": SDP},
        {"method": "POST", "path": "/whip", "data": "v=0", "headers": {"Content-Type": "text/plain"}},
        {"method": "POST", "path": "/whip", "data": OFFER, "headers": SDP},
        {"method": "POST", "path": "/offer", "data": "x", "headers": {"Content-Type": "application/json"}},
        {"method": "PATCH", "path": "/whip/nobodys", "data": "a=mid:0", "headers": FRAGMENT},
    ],
    ids=["no SDP", "no offer", "good offers", "no JSON", "candidates"],
)
async def test_one_learner_without_end_takes_nothing_from_others_at_the_same_address(serve, peers, flood):
    client = await serve(signalling_application(peers, offers_per_minute=30, offers_per_minute_per_user=10))
    rogue = bearer(Learner(user_id=666, module_id=3))

    floods = [
        await client.request(**(flood | {"headers": flood["headers"] | rogue}), skip_auto_headers=["User-Agent"])
        for _ in range(350)
    ]
    honest = [
        await client.post("/whip", data=OFFER, headers=SDP | bearer(Learner(user_id=user_id, module_id=3)))
        for user_id in range(1, 11)
    ]

    assert floods[-1].status == 429
    assert [answer.status for answer in honest] == [201] * 10


async def test_a_learner_has_one_allowance_in_all_modules_and_at_both_endpoints(serve, peers):
    client = await serve(signalling_application(peers, offers_per_minute_per_user=2))

    first = await client.post("/whip", data=OFFER, headers=SDP | bearer(Learner(7, 1)))
    second = await client.post("/offer", json={"sdp": OFFER, "type": "offer"}, headers=bearer(Learner(7, 2)))
    third = await client.post("/whip", data=OFFER, headers=SDP | bearer(Learner(7, 3)))

    assert [first.status, second.status, third.status] == [201, 200, 429]
    assert (await third.json(content_type=None))["detail"] == "Too many requests from this learner."
    assert 0 < int(third.headers["Retry-After"]) <= 30


async def test_many_learners_at_one_address_share_its_allowance(serve, peers):
    client = await serve(signalling_application(peers, offers_per_minute=2))

    answers = [
        await client.post("/whip", data=OFFER, headers=SDP | bearer(Learner(user_id, 3))) for user_id in (1, 2, 3)
    ]

    assert [answer.status for answer in answers] == [201, 201, 429]
    assert (await answers[-1].json(content_type=None))["detail"] == "Too many requests from this address."


async def test_relay_credentials_are_not_made_without_end(serve, peers):
    client = await serve(signalling_application(peers, reads_per_minute=2))

    statuses = [(await client.get("/ice-servers", headers=bearer())).status for _ in range(3)]

    assert statuses == [200, 200, 429]
    assert (await client.get("/ice-servers", headers=bearer(Learner(8, 3)))).status == 200


async def test_an_expired_token_is_told_so_whatever_others_at_its_address_did(serve, peers):
    client = await serve(signalling_application(peers, offers_per_minute=2))
    for _ in range(5):
        await client.get("/ice-servers")

    answer = await client.get("/ice-servers", headers=bearer(ttl_s=-60))

    assert (await answer.json(content_type=None))["code"] == "token_expired"


async def test_strangers_do_not_use_up_what_learners_behind_the_same_address_may_do(serve, peers):
    client = await serve(signalling_application(peers, offers_per_minute=1))
    for _ in range(5):
        await client.post("/whip", data=OFFER, headers=SDP)

    assert (await client.post("/whip", data=OFFER, headers=SDP | bearer())).status == 201


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/whip"), ("DELETE", "/whip/peer-0"), ("POST", "/offer"), ("GET", "/ice-servers")]
)
async def test_strangers_who_try_without_end_get_429_and_learners_beside_them_do_not(serve, peers, method, path):
    client = await serve(signalling_application(peers, offers_per_minute=3))
    attempts = [{}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer x.y.z"}, {}]

    answers = [await client.request(method, path, headers=headers) for headers in attempts]

    assert [answer.status for answer in answers] == [401, 401, 401, 429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 20
    assert (await answers[-1].json(content_type=None))["code"] == "rate_limited"
    assert (await client.get("/ice-servers", headers=bearer())).status == 200
    assert (await client.post("/whip", data=OFFER, headers=SDP | bearer())).status == 201


async def test_candidates_can_not_be_sent_without_end(serve, peers):
    client = await serve(signalling_application(peers, offers_per_minute_per_user=2))
    await client.post("/whip", data=OFFER, headers=SDP | bearer())
    headers = FRAGMENT | bearer()

    statuses = [(await client.patch("/whip/peer-0", data="a=mid:0", headers=headers)).status for _ in range(12)]

    assert statuses[:10] == [204] * 10
    assert statuses[-1] == 429
    assert (await client.delete("/whip/peer-0", headers=bearer())).status == 200


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_allowance_grows_back():
    clock = Clock()
    rate = RequestRate(60, "from this address", now=clock)
    for _ in range(60):
        rate.spend("a")
    with pytest.raises(RateLimited) as refusal:
        rate.spend("a")
    assert refusal.value.retry_after_s == pytest.approx(1.0)

    clock.now += 1.0
    rate.spend("a")
    rate.spend("b")


@given(steps=st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 20)), max_size=200))
def test_no_address_ever_gets_more_than_its_rate(steps):
    clock = Clock()
    rate = RequestRate(6, "from this address", now=clock)
    allowed: dict[str, list[float]] = {}
    for address, pause in steps:
        clock.now += pause
        try:
            rate.spend(address)
        except RateLimited:
            continue
        allowed.setdefault(address, []).append(clock.now)
    for times in allowed.values():
        for first, start in enumerate(times):
            for last, end in enumerate(times[first:], first):
                assert last - first + 1 <= 6 + (end - start) / 10 + 1e-6


def test_memory_is_bounded_and_the_longest_unused_goes_first():
    clock = Clock()
    rate = RequestRate(1, "from this address", max_keys=2, now=clock)
    for address in ("a", "b", "c"):
        rate.spend(address)

    rate.spend("a")  # forgotten, so it starts anew
    with pytest.raises(RateLimited):
        rate.spend("c")


class _Transport:
    def __init__(self, address: str) -> None:
        self._address = address

    def get_extra_info(self, name: str, default: object = None) -> object:
        return (self._address, 4711) if name == "peername" else default


def seen(remote: str, *headers: tuple[str, str], trusted: tuple[str, ...] = ("10.0.0.0/8", "::1")) -> str:
    request = make_mocked_request("GET", "/", CIMultiDict(headers), transport=_Transport(remote))
    return ClientAddresses(trusted).of(request)


@pytest.mark.parametrize(
    ("remote", "headers", "address"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", [("X-Forwarded-For", "198.51.100.7")], "192.0.2.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [("X-Forwarded-For", "198.51.100.7")], "198.51.100.7"),
        ("10.0.0.1", [("X-Forwarded-For", "203.0.113.9, 198.51.100.7")], "198.51.100.7"),
        ("10.0.0.1", [("X-Forwarded-For", "203.0.113.9, 198.51.100.7, 10.1.1.1")], "198.51.100.7"),
        ("10.0.0.1", [("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-For", "198.51.100.7")], "198.51.100.7"),
        ("10.0.0.1", [("X-Forwarded-For", "198.51.100.7:4711")], "198.51.100.7"),
        ("10.0.0.1", [("X-Forwarded-For", "203.0.113.9, nonsense")], "10.0.0.1"),
        ("::1", [("Forwarded", "for=198.51.100.7;proto=https;by=10.0.0.1")], "198.51.100.7"),
        ("::1", [("Forwarded", 'for=203.0.113.9, FOR="[2001:db8::7]:4711"')], "2001:db8::/64"),
        ("::1", [("Forwarded", "for=198.51.100.7"), ("X-Forwarded-For", "203.0.113.9")], "::/64"),
        ("::1", [("Forwarded", "for=198.51.100.7"), ("X-Forwarded-For", "198.51.100.7")], "198.51.100.7"),
        ("::1", [("Forwarded", "for=203.0.113.9, for=_hidden")], "::/64"),
        ("2001:db8:1:2:3:4:5:6", [], "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", [], "192.0.2.1"),
        ("fe80::1%eth0", [], "fe80::/64"),
    ],
)
def test_only_our_proxies_are_believed(remote, headers, address):
    assert seen(remote, *headers) == address


@given(
    value=st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0")),
    name=st.sampled_from(["Forwarded", "X-Forwarded-For"]),
)
def test_any_header_gives_some_address(name, value):
    assert seen("10.0.0.1", (name, value))


def test_what_is_no_network_does_not_start():
    with pytest.raises(SettingsError, match="RTC_TRUSTED_PROXIES"):
        ClientAddresses(["10.0.0.1/8"])


async def test_the_registry_is_told_the_address(serve, peers):
    client = await serve(signalling_application(peers, trusted_proxies=("127.0.0.1",)))

    await client.post("/whip", data=OFFER, headers=SDP | bearer() | {"X-Forwarded-For": "198.51.100.7"})

    assert peers.live["peer-0"].client_address == "198.51.100.7"

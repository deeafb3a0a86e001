"""How much one address may do, and which address that is."""

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from rtc_server.errors import RateLimited, SettingsError
from rtc_server.signalling.address_rate import AddressRate
from rtc_server.signalling.client_address import ClientAddresses
from tests.signalling.doors import OFFER, bearer, signalling_application

SDP = {"Content-Type": "application/sdp"}


async def test_offers_past_the_rate_get_429_and_when_to_come_back(serve, peers):
    client = await serve(signalling_application(peers, offers_per_minute=2))

    statuses = [(await client.post("/whip", data=OFFER, headers=SDP | bearer())).status for _ in range(3)]
    refused = await client.post("/offer", json={"sdp": OFFER, "type": "offer"}, headers=bearer())

    assert statuses == [201, 201, 429]
    assert refused.status == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 30
    assert len(peers.live) == 2


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
    attempts = [{}, bearer(ttl_s=-60), {"Authorization": "Bearer x.y.z"}, {}]

    answers = [await client.request(method, path, headers=headers) for headers in attempts]

    assert [answer.status for answer in answers] == [401, 401, 401, 429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 20
    assert (await answers[-1].json(content_type=None))["code"] == "rate_limited"
    assert (await client.get("/ice-servers", headers=bearer())).status == 200
    assert (await client.post("/whip", data=OFFER, headers=SDP | bearer())).status == 201


async def test_candidates_can_not_be_sent_without_end(serve, peers):
    client = await serve(signalling_application(peers, offers_per_minute=2))
    await client.post("/whip", data=OFFER, headers=SDP | bearer())
    headers = {"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": '"ice-peer-0"'} | bearer()

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
    rate = AddressRate(60, now=clock)
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
    rate = AddressRate(6, now=clock)
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
    rate = AddressRate(1, max_addresses=2, now=clock)
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
        ("::1", [("Forwarded", "for=198.51.100.7"), ("X-Forwarded-For", "203.0.113.9")], "198.51.100.7"),
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

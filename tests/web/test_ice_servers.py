"""Credentials for the relay: made as coturn checks them, for a while, and of nobody by name."""

import base64
import hashlib
import hmac

import pytest

from rtc_server.errors import SettingsError
from rtc_server.learner import Learner
from rtc_server.web.ice_servers import IceServers
from tests.web.endpoints import LEARNER, bearer, signalling_application

SHARED = "what-server-and-relay-share-and-nobody-else"
TURN_URLS = ("turn:relay.example:3478?transport=udp", "turns:[2001:db8::1]:5349?transport=tcp")


def relay(**changes) -> IceServers:
    return IceServers(turn_urls=TURN_URLS, turn_secret=SHARED, ttl_s=600, now=lambda: 1000.0, **changes)


def test_the_relay_computes_the_same_credential():
    (server,) = relay().for_learner(LEARNER)

    assert server.urls == TURN_URLS
    expiry, _, pseudonym = (server.username or "").partition(":")
    assert expiry == "1600"
    assert pseudonym
    digest = hmac.new(SHARED.encode(), (server.username or "").encode(), hashlib.sha1).digest()
    assert server.credential == base64.b64encode(digest).decode()


def test_the_name_is_a_pseudonym_that_stays_with_the_user():
    def name(user_id: int, module_id: int, secret: str = SHARED) -> str:
        servers = IceServers(turn_urls=TURN_URLS, turn_secret=secret).for_learner(Learner(user_id, module_id))
        return (servers[0].username or "").partition(":")[2]

    assert name(123456, 3) == name(123456, 4)
    assert name(123456, 3) != name(123457, 3)
    assert name(123456, 3) != name(123456, 3, SHARED[::-1])
    assert "123456" not in name(123456, 3)


def test_the_server_itself_may_use_the_relay():
    server = relay().for_server()

    assert server.urls == TURN_URLS
    assert server.username == "1600:server"
    with pytest.raises(SettingsError, match="RTC_SERVER_TURN"):
        IceServers().for_server()


async def test_a_learner_gets_them_as_a_browser_takes_them(serve, peers):
    ice = relay(stun_urls=("stun:relay.example",))
    client = await serve(signalling_application(peers, ice_servers=ice))

    response = await client.get("/ice-servers", headers=bearer())

    assert response.headers["Cache-Control"] == "no-store"
    stun, turn = (await response.json())["iceServers"]
    assert stun == {"urls": ["stun:relay.example"]}
    assert turn["urls"] == list(TURN_URLS)
    assert set(turn) == {"urls", "username", "credential"}


async def test_a_stranger_gets_none(client):
    assert (await client.get("/ice-servers")).status == 401


async def test_without_any_the_list_is_empty(client):
    assert await (await client.get("/ice-servers", headers=bearer())).json() == {"iceServers": []}


@pytest.mark.parametrize(
    ("choices", "setting"),
    [
        ({"turn_urls": ["turn:relay.example"]}, "RTC_TURN_SECRET"),
        ({"turn_urls": ["turn:relay.example"], "turn_secret": "guessable"}, "RTC_TURN_SECRET"),
        ({"turn_urls": ["http://relay.example"], "turn_secret": SHARED}, "RTC_TURN_URLS"),
        ({"turn_urls": ['turn:relay.example>; rel="next'], "turn_secret": SHARED}, "RTC_TURN_URLS"),
        ({"turn_urls": ["turn:relay.example?transport=sctp"], "turn_secret": SHARED}, "RTC_TURN_URLS"),
        ({"stun_urls": ["stun:relay.example\n"]}, "RTC_STUN_URLS"),
        ({"stun_urls": ["turn:relay.example"]}, "RTC_STUN_URLS"),
    ],
)
def test_what_is_no_address_does_not_start(choices, setting):
    with pytest.raises(SettingsError, match=setting):
        IceServers(**choices)

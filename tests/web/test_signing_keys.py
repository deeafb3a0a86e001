"""Published keys: fetched when needed, kept a while, and never too often."""

import asyncio
import json
import time

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from rtc_server.errors import KeysUnavailable, SettingsError, TokenInvalid
from rtc_server.web.access.auth import TokenVerifier
from rtc_server.web.access.signing_keys import FRESH_S, REFRESH_AGAIN_S, UNKNOWN_KEY_AGAIN_S, PublishedKeys

RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
WEAK_KEY = rsa.generate_private_key(65537, 1024)
KINDS = {"RS256": jwt.algorithms.RSAAlgorithm, "ES256": jwt.algorithms.ECAlgorithm}


def published(private_key, algorithm: str, key_id: str, **changes: object) -> dict[str, object]:
    described = json.loads(KINDS[algorithm].to_jwk(private_key.public_key()))
    return described | {"kid": key_id, "use": "sig"} | changes


class Platform:
    """Serves a key set, and counts who asks."""

    def __init__(self) -> None:
        self.keys: list[object] = [published(RSA_KEY, "RS256", "r1"), published(EC_KEY, "ES256", "e1")]
        self.answer: web.Response | None = None
        self.asked = 0
        self.arrived = asyncio.Event()
        self.answering = asyncio.Event()
        self.answering.set()
        self.now = 0.0
        self.source: PublishedKeys

    async def serve_keys(self, _request: web.Request) -> web.Response:
        self.asked += 1
        self.arrived.set()
        await self.answering.wait()
        return self.answer or web.json_response({"keys": self.keys})

    async def verify(self, private_key, algorithm: str, key_id: str | None = None):
        tokens = TokenVerifier(
            {"RS256": self.source, "ES256": self.source}, audience="rtc-server", issuer=None, policies=["reading"]
        )
        claims = {"sub": "7", "module_id": 3, "aud": "rtc-server", "exp": int(time.time()) + 60}
        token = jwt.encode(claims, private_key, algorithm=algorithm, headers={"kid": key_id} if key_id else None)
        return await tokens.grant(f"Bearer {token}")


@pytest.fixture
async def platform():
    platform = Platform()
    application = web.Application()
    application.router.add_get("/jwks.json", platform.serve_keys)
    server = TestServer(application)
    await server.start_server()
    platform.source = PublishedKeys(str(server.make_url("/jwks.json")), now=lambda: platform.now)
    yield platform
    platform.answering.set()
    await server.close()


@pytest.mark.parametrize(("key", "algorithm", "key_id"), [(RSA_KEY, "RS256", "r1"), (EC_KEY, "ES256", "e1")])
async def test_a_token_signed_with_a_published_key_is_good(platform, key, algorithm, key_id):
    assert (await platform.verify(key, algorithm, key_id)).learner.user_id == 7
    assert (await platform.verify(key, algorithm)).learner.user_id == 7
    assert platform.asked == 1


async def test_invented_key_ids_cost_the_platform_nothing(platform):
    for number in range(20):
        with pytest.raises(TokenInvalid):
            await platform.verify(EC_KEY, "ES256", f"invented-{number}")

    assert platform.asked == 1


async def test_a_new_key_is_found_when_a_token_names_it(platform):
    await platform.verify(EC_KEY, "ES256", "e1")
    another = ec.generate_private_key(ec.SECP256R1())
    platform.keys.append(published(another, "ES256", "e2"))
    platform.now += UNKNOWN_KEY_AGAIN_S

    await platform.verify(another, "ES256", "e2")


async def test_learners_who_come_together_after_a_start_wait_for_the_one_fetch(platform):
    platform.answering.clear()
    arriving = [asyncio.create_task(platform.verify(EC_KEY, "ES256", "e1")) for _ in range(20)]
    await platform.arrived.wait()
    platform.answering.set()

    assert [grant.learner.user_id for grant in await asyncio.gather(*arriving)] == [7] * 20
    assert platform.asked == 1


async def test_learners_who_come_together_after_a_rotation_wait_for_the_one_fetch(platform):
    await platform.verify(EC_KEY, "ES256", "e1")
    another = ec.generate_private_key(ec.SECP256R1())
    platform.keys = [published(another, "ES256", "e2")]
    platform.now += UNKNOWN_KEY_AGAIN_S
    platform.arrived.clear()
    platform.answering.clear()
    arriving = [asyncio.create_task(platform.verify(another, "ES256", "e2")) for _ in range(20)]
    await platform.arrived.wait()
    platform.answering.set()

    assert [grant.learner.user_id for grant in await asyncio.gather(*arriving)] == [7] * 20
    assert platform.asked == 2


async def test_invented_key_ids_delay_a_new_key_by_seconds_only(platform):
    await platform.verify(EC_KEY, "ES256", "e1")
    platform.now += UNKNOWN_KEY_AGAIN_S
    with pytest.raises(TokenInvalid):
        await platform.verify(EC_KEY, "ES256", "invented")
    another = ec.generate_private_key(ec.SECP256R1())
    platform.keys = [published(another, "ES256", "e2")]
    platform.now += 5.0

    assert (await platform.verify(another, "ES256", "e2")).learner.user_id == 7


async def test_a_fetch_that_fails_is_one_fetch_for_all_who_wait_for_it(platform):
    platform.answer = web.Response(status=500)
    platform.answering.clear()
    arriving = [asyncio.create_task(platform.verify(EC_KEY, "ES256", "e1")) for _ in range(20)]
    await platform.arrived.wait()
    platform.now += 2 * UNKNOWN_KEY_AGAIN_S  # that long it took to fail
    platform.answering.set()

    outcomes = await asyncio.gather(*arriving, return_exceptions=True)

    assert {type(outcome) for outcome in outcomes} == {KeysUnavailable}
    assert platform.asked == 1


async def test_the_keys_are_soon_asked_for_again_where_none_are_known(platform):
    platform.answer = web.Response(status=500)
    with pytest.raises(KeysUnavailable):
        await platform.verify(EC_KEY, "ES256", "e1")
    platform.answer = None
    platform.now += 5.0

    assert (await platform.verify(EC_KEY, "ES256", "e1")).learner.user_id == 7


async def test_who_has_a_known_key_does_not_wait_for_a_refresh_of_others(platform):
    await platform.verify(EC_KEY, "ES256", "e1")
    platform.now += FRESH_S
    platform.arrived.clear()
    platform.answering.clear()
    first = asyncio.create_task(platform.verify(EC_KEY, "ES256", "e1"))
    await platform.arrived.wait()

    assert (await platform.verify(EC_KEY, "ES256", "e1")).learner.user_id == 7
    assert not first.done()
    platform.answering.set()
    await first


async def test_a_platform_that_is_away_is_not_asked_at_each_token(platform):
    await platform.verify(EC_KEY, "ES256", "e1")
    platform.answer = web.Response(status=500)
    platform.now += FRESH_S
    for _ in range(5):
        await platform.verify(EC_KEY, "ES256", "e1")
    assert platform.asked == 2

    platform.answer = web.Response(status=500)
    platform.now += REFRESH_AGAIN_S
    await platform.verify(EC_KEY, "ES256", "e1")
    assert platform.asked == 3


async def test_a_key_taken_back_is_forgotten_in_time(platform):
    await platform.verify(EC_KEY, "ES256", "e1")
    platform.keys = [published(RSA_KEY, "RS256", "r1")]
    platform.now += FRESH_S

    with pytest.raises(TokenInvalid):
        await platform.verify(EC_KEY, "ES256", "e1")


@pytest.mark.parametrize(
    "answer",
    [
        lambda: web.Response(status=500),
        lambda: web.Response(status=302, headers={"Location": "http://127.0.0.1:9/"}),
        lambda: web.Response(text="hello"),
        lambda: web.Response(text="[]"),
        lambda: web.Response(text="[" * 100_000),
        lambda: web.Response(body=b" " * 300_000),
    ],
    ids=["500", "redirect", "not JSON", "a list", "deep", "long"],
)
async def test_a_fetch_that_fails_keeps_what_is_known(platform, answer):
    await platform.verify(EC_KEY, "ES256", "e1")
    platform.answer = answer()
    platform.now += FRESH_S

    assert (await platform.verify(EC_KEY, "ES256", "e1")).learner.user_id == 7
    assert platform.asked == 2


async def test_without_any_keys_yet_it_is_our_fault(platform):
    platform.answer = web.Response(status=500)

    with pytest.raises(KeysUnavailable):
        await platform.verify(EC_KEY, "ES256", "e1")


async def test_entries_that_are_no_use_are_passed_over(platform):
    platform.keys = [
        7,
        {},
        {"kty": "RSA"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "h1"},
        published(WEAK_KEY, "RS256", "weak"),
        published(RSA_KEY, "RS256", "encrypts", use="enc"),
        published(RSA_KEY, "RS256", "another", alg="RS512"),
        published(EC_KEY, "ES256", "e1"),
    ]

    assert (await platform.verify(EC_KEY, "ES256", "e1")).learner.user_id == 7
    for key_id in ("weak", "encrypts", "another"):
        assert await platform.source.keys("RS256", key_id) == []


@pytest.mark.parametrize("url", ["http://lms.example/jwks.json", "file:///etc/passwd", "lms.example"])
def test_keys_are_not_fetched_where_they_could_be_replaced(url):
    with pytest.raises(SettingsError, match="RTC_JWKS_URL"):
        PublishedKeys(url)

"""Tokens: whom they let in, and everything that they don't."""

import base64
import json
import time
from dataclasses import replace

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from rtc_server.errors import NotAllowed, RtcServerError, SettingsError, TokenExpired, TokenInvalid, TokenMissing
from rtc_server.learner import Grant, Learner
from rtc_server.web.access.auth import TokenVerifier, mint_token, token_verifier
from tests.web.endpoints import AUDIENCE, LEARNER, SECRET

OLD_SECRET = "the-secret-before-that-was-as-long-as-this"


@pytest.fixture(scope="module")
def tokens() -> TokenVerifier:
    return token_verifier(secrets=[SECRET, OLD_SECRET], audience=AUDIENCE, policies=["reading", "video"])


def claims(**changes: object) -> dict[str, object]:
    now = int(time.time())
    sound = {"sub": "7", "module_id": 3, "section_id": 2, "aud": AUDIENCE, "iat": now, "nbf": now, "exp": now + 60}
    return {name: value for name, value in (sound | changes).items() if value is not ...}


def signed(changes: dict[str, object], secret: str = SECRET) -> str:
    # Below jwt.encode, which refuses to sign what must be tried here.
    payload = json.dumps(claims(**changes)).encode()
    return "Bearer " + jwt.PyJWS().encode(payload, secret, algorithm="HS256")


async def test_a_minted_token_grants_what_it_says(tokens):
    token = mint_token(SECRET, LEARNER, audience=AUDIENCE, policy="video", role="teacher")

    grant = await tokens.grant(f"Bearer {token}")
    assert replace(grant, expires_at=0.0) == Grant(LEARNER, "video", "teacher", expires_at=0.0)
    assert grant.expires_at == pytest.approx(time.time() + 3600, abs=10)


async def test_a_token_may_name_more_modules_and_the_learner(tokens):
    token = mint_token(SECRET, LEARNER, audience=AUDIENCE, modules=[9, 4], name="Åsa 李")

    grant = await tokens.grant(f"Bearer {token}")

    assert grant.readable_modules == {3, 4, 9}
    assert grant.display_name == "Åsa 李"


@pytest.mark.parametrize(
    "changes",
    [
        {"modules": [0]},
        {"modules": "3"},
        {"modules": ["3"]},
        {"modules": list(range(1, 202))},
        {"name": ""},
        {"name": "x" * 81},
        {"name": "a\nb"},
        {"name": "a\x00b"},
        {"name": 7},
    ],
)
async def test_modules_and_names_of_another_form_are_refused(tokens, changes):
    with pytest.raises(TokenInvalid, match=next(iter(changes))):
        await tokens.grant(signed(changes))


async def test_what_a_token_leaves_out_has_a_default(tokens):
    grant = await tokens.grant(signed({"section_id": ..., "iat": ..., "nbf": ...}))

    assert grant.learner == Learner(7, 3, None)
    assert grant.policy == "reading"
    assert grant.role == "learner"


@pytest.mark.parametrize("section_id", [0, None])
async def test_section_zero_is_no_section(tokens, section_id):
    assert (await tokens.grant(signed({"section_id": section_id}))).learner.section_id is None


async def test_the_secret_before_is_believed_while_keys_rotate(tokens):
    assert (await tokens.grant(signed({}, OLD_SECRET))).learner == LEARNER


async def test_the_scheme_is_written_in_any_case(tokens):
    assert (await tokens.grant(signed({}).replace("Bearer", "bEARER"))).learner == LEARNER


NOW = int(time.time())

REFUSED = {
    "expired": ({"exp": NOW - 60}, TokenExpired),
    "not yet valid": ({"nbf": NOW + 7200}, TokenInvalid),
    "issued in the future": ({"iat": NOW + 7200, "exp": NOW + 7300}, TokenInvalid),
    "for another server": ({"aud": "another"}, NotAllowed),
    "for nobody": ({"aud": ...}, TokenInvalid),
    "for ever": ({"exp": ...}, TokenInvalid),
    "for two days": ({"exp": NOW + 2 * 86400}, TokenInvalid),
    "for two days, age unsaid": ({"exp": NOW + 2 * 86400, "iat": ..., "nbf": ...}, TokenInvalid),
    "infinite": ({"exp": float("inf")}, TokenInvalid),
    "expiry as text": ({"exp": "soon"}, TokenInvalid),
    "no user": ({"sub": ...}, TokenInvalid),
    "user as a number": ({"sub": 7}, TokenInvalid),
    "user by name": ({"sub": "root"}, TokenInvalid),
    "user of another script": ({"sub": "\u0667"}, TokenInvalid),
    "user past the column": ({"sub": "2147483648"}, TokenInvalid),
    "user with a newline": ({"sub": "7\n"}, TokenInvalid),
    "no module": ({"module_id": ...}, TokenInvalid),
    "module as text": ({"module_id": "3"}, TokenInvalid),
    "module as a truth": ({"module_id": True}, TokenInvalid),
    "module zero": ({"module_id": 0}, TokenInvalid),
    "module past the column": ({"module_id": 2**31}, TokenInvalid),
    "negative section": ({"section_id": -1}, TokenInvalid),
    "unknown policy": ({"policy": "gaming"}, TokenInvalid),
    "unknown role": ({"role": "admin"}, TokenInvalid),
}


@pytest.mark.parametrize(("changes", "refusal"), REFUSED.values(), ids=REFUSED.keys())
async def test_a_signed_token_with_wrong_claims_is_refused(tokens, changes, refusal):
    with pytest.raises(refusal):
        await tokens.grant(signed(changes))


@pytest.mark.parametrize(
    ("issuer", "refusal"), [("https://another.example", NotAllowed), (..., TokenInvalid)], ids=["another", "none"]
)
async def test_the_issuer_is_checked_where_one_is_set(issuer, refusal):
    tokens = token_verifier(secrets=[SECRET], audience=AUDIENCE, issuer="https://lms.example", policies=["reading"])

    assert (await tokens.grant(signed({"iss": "https://lms.example"}))).learner == LEARNER
    with pytest.raises(refusal):
        await tokens.grant(signed({"iss": issuer}))


def unsigned() -> str:
    return jwt.encode(claims(), None, algorithm="none")


def hs384() -> str:
    return jwt.encode(claims(), SECRET.ljust(48, "x"), algorithm="HS384")


def rs256() -> str:
    return jwt.encode(claims(), rsa.generate_private_key(65537, 2048), algorithm="RS256")


def es256() -> str:
    return jwt.encode(claims(), ec.generate_private_key(ec.SECP256R1()), algorithm="ES256")


def nested_header() -> str:
    return base64.urlsafe_b64encode(b"[" * 5000).decode().rstrip("=") + ".e30.x"


@pytest.mark.parametrize("token", [unsigned, hs384, rs256, es256, nested_header])
async def test_only_the_configured_algorithms_are_accepted(tokens, token):
    with pytest.raises(TokenInvalid):
        await tokens.grant(f"Bearer {token()}")


async def test_a_token_signed_by_somebody_else_is_refused(tokens):
    with pytest.raises(TokenInvalid):
        await tokens.grant(signed({}, "not-the-secret-but-of-the-same-length"))


@pytest.mark.parametrize("authorization", [None, "", "Basic eDp5", "token"])
async def test_no_bearer_token_is_a_token_missing(tokens, authorization):
    with pytest.raises(TokenMissing):
        await tokens.grant(authorization)


@given(authorization=st.one_of(st.text(), st.text().map("Bearer {}".format), st.binary().map("Bearer {!r}".format)))
async def test_any_header_is_refused_in_our_words(tokens, authorization):
    with pytest.raises(RtcServerError):
        await tokens.grant(authorization)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@given(header=st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "x5u"]), JSON), payload=JSON)
async def test_any_unsigned_token_is_refused_in_our_words(tokens, header, payload):
    with pytest.raises(RtcServerError):
        await tokens.grant(f"Bearer {part({'alg': 'HS256'} | header)}.{part(payload)}.{part('signature')}")


@given(changes=st.dictionaries(st.sampled_from([*claims(), "policy", "role", "iss", "jti"]), JSON))
async def test_any_signed_claims_grant_or_are_refused_in_our_words(tokens, changes):
    try:
        grant = await tokens.grant(signed(changes))
    except RtcServerError:
        return
    assert grant.learner.user_id > 0
    assert grant.policy in ("reading", "video")


def test_a_short_secret_does_not_start():
    with pytest.raises(SettingsError, match="RTC_TOKEN_SECRET"):
        token_verifier(secrets=[SECRET, "short"], audience=AUDIENCE, policies=["reading"])


def test_no_key_does_not_start():
    with pytest.raises(SettingsError, match="RTC_TOKEN_SECRET"):
        token_verifier(audience=AUDIENCE, policies=["reading"])

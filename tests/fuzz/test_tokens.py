"""Tokens: only one that the platform signed, unchanged, lets anybody in."""

import asyncio
import base64
import json
from typing import Any

import jwt
import pytest
from hypothesis import strategies as st

from rtc_server.errors import NotAllowed, TokenExpired, TokenInvalid, TokenMissing
from rtc_server.learner import Learner
from rtc_server.web.access.auth import mint_token, token_verifier
from tests.fuzz.doors import fuzzed
from tests.fuzz.mutation import damaged_bytes

SECRET = "a-secret-for-fuzzing-of-more-than-32-bytes"
GENUINE = mint_token(SECRET, Learner(7, 3), audience="rtc-server")
VERIFIER = token_verifier(secrets=[SECRET], audience="rtc-server", policies=["reading"])
REFUSALS = (TokenMissing, TokenInvalid, TokenExpired, NotAllowed)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def refused(authorization: str) -> None:
    with pytest.raises(REFUSALS):
        asyncio.run(VERIFIER.grant(authorization))


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@fuzzed(damaged_bytes([f"Bearer {GENUINE}".encode()]) | st.binary(max_size=200))
def test_a_damaged_header_is_refused(damaged: bytes) -> None:
    authorization = damaged.decode("latin-1")
    _, _, token = authorization.partition(" ")
    # The last character of base64 holds bits that decode to nothing: a change of them changes no token.
    if token.strip(" ").rpartition(".")[0] != GENUINE.rpartition(".")[0]:
        refused(authorization)


@fuzzed(st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jku", "jwk"]), json_values), json_values)
def test_a_forged_token_is_refused(header: dict[str, Any], claims: object) -> None:
    for signature in ("", GENUINE.rpartition(".")[2]):
        refused(f"Bearer {part({'alg': 'none'} | header)}.{part(claims)}.{signature}")


@fuzzed(
    st.dictionaries(
        st.sampled_from(["sub", "module_id", "section_id", "policy", "role", "aud", "exp", "nbf", "iat", "iss"]),
        json_values,
        min_size=1,
    )
)
def test_what_the_platform_signs_is_read_or_refused(claims: dict[str, Any]) -> None:
    genuine = jwt.decode(GENUINE, options={"verify_signature": False})
    try:
        token = jwt.encode(genuine | claims, SECRET, algorithm="HS256")
    except (TypeError, ValueError):
        return  # PyJWT itself signs no such thing.
    try:
        grant = asyncio.run(VERIFIER.grant(f"Bearer {token}"))
    except REFUSALS:
        return
    assert grant.learner.user_id > 0
    assert grant.role in {"learner", "teacher"}
    assert grant.policy == "reading"

"""Verifies tokens: a signed JWT (RFC 7519) says who the learner is, for which module, and until when.

The platform signs the token. The server takes the learner's identity from nothing else. The token is accepted in the
Authorization header only, because a URL would end up in logs and histories.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Literal

import jwt
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from rtc_server.errors import NotAllowed, SettingsError, TokenExpired, TokenInvalid, TokenMissing
from rtc_server.focus.policy import READING
from rtc_server.learner import MAX_NAME, Grant, Learner
from rtc_server.web.access.identifiers import Identifier, SectionIdentifier
from rtc_server.web.access.signing_keys import KeySource, PublishedKeys, SharedSecrets

MAX_AGE_S = 24 * 3600
"""Longest lifetime of a token: from `iat`, or from now where it has none, to `exp`."""
CLOCK_SKEW_S = 30
"""Largest accepted difference between the platform's clock and ours."""

MAX_MODULES = 200
"""Most modules in one token: more would not fit into a header."""
_PRINTABLE = r"\A[^\x00-\x1f\x7f\x{2028}\x{2029}]+\z"


class _Claims(BaseModel):
    """The claims beyond those of JWT itself. Unknown ones are ignored, as RFC 7519 says."""

    model_config = ConfigDict(strict=True)

    sub: Annotated[str, StringConstraints(pattern=r"\A[1-9][0-9]{0,9}\z")]
    module_id: Identifier
    section_id: SectionIdentifier | None = None
    policy: str = READING.name
    role: Literal["learner", "teacher"] = "learner"
    modules: Annotated[list[Identifier], Field(max_length=MAX_MODULES)] = []
    name: Annotated[str, StringConstraints(max_length=MAX_NAME, pattern=_PRINTABLE)] | None = None
    exp: Annotated[int | float, Field(gt=0, lt=2**40, allow_inf_nan=False)]
    iat: Annotated[int | float, Field(ge=0, lt=2**40, allow_inf_nan=False)] | None = None


class TokenVerifier:
    """Verifies a token and returns what it allows."""

    def __init__(
        self, keys: Mapping[str, KeySource], *, audience: str, issuer: str | None, policies: Collection[str]
    ) -> None:
        """keys: the accepted algorithms, with the source of the keys for each.
        policies: the names that a `policy` claim may have."""
        self._keys = keys
        self._audience = audience
        self._issuer = issuer
        self._policies = frozenset(policies)

    async def grant(self, authorization: str | None) -> Grant:
        """What the token in an Authorization header allows.

        Raises TokenMissing, TokenInvalid, TokenExpired, NotAllowed (meant for another server) or KeysUnavailable.
        """
        token = _bearer_token(authorization)
        algorithm, key_id = _named_key(token)
        if algorithm not in self._keys:
            raise TokenInvalid("The token is signed in a way that this server does not accept.")
        for key in await self._keys[algorithm].keys(algorithm, key_id):
            try:
                return self._grant_of(self._verified(token, key, algorithm))
            except jwt.InvalidSignatureError:
                continue
        raise TokenInvalid("The token is not signed with a key that this server knows.")

    def _verified(self, token: str, key: Any, algorithm: str) -> dict[str, Any]:
        """The token's claims, after signature, times, audience and issuer have been checked."""
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=CLOCK_SKEW_S,
                options={"require": ["sub", "exp", "aud"]},
            )
        except jwt.InvalidSignatureError:
            raise
        except jwt.ExpiredSignatureError:
            raise TokenExpired("The token has expired; get a new one from the platform.") from None
        except (jwt.InvalidAudienceError, jwt.InvalidIssuerError):
            raise NotAllowed("The token is not meant for this server.") from None
        except jwt.MissingRequiredClaimError as error:
            raise TokenInvalid(f"The token lacks the claim {error.claim}.") from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            raise TokenInvalid("The token is malformed or not valid yet.") from None

    def _grant_of(self, claims: dict[str, Any]) -> Grant:
        try:
            known = _Claims.model_validate(claims)
        except ValidationError as error:
            raise TokenInvalid(
                f"The token's claim {error.errors()[0]['loc'][0]} has the wrong type or value."
            ) from None
        issued_at = time.time() if known.iat is None else known.iat
        if known.exp - issued_at > MAX_AGE_S + CLOCK_SKEW_S:
            raise TokenInvalid("The token is valid for more than 24 hours, which this server does not accept.")
        if known.policy not in self._policies:
            raise TokenInvalid("The token's claim policy is not the name of a policy of this server.")
        if int(known.sub) >= 2**31:
            raise TokenInvalid("The token's claim sub is too large a number.")
        learner = Learner(int(known.sub), known.module_id, known.section_id or None)
        modules = frozenset(known.modules)
        return Grant(learner, known.policy, known.role, modules, known.name, float(known.exp))


def token_verifier(
    *,
    secrets: Sequence[str] = (),
    jwks_url: str | None = None,
    audience: str,
    issuer: str | None = None,
    policies: Collection[str],
) -> TokenVerifier:
    """The verifier for these settings. secrets: the newest first.

    Raises SettingsError if there is no key, or one that is too short.
    """
    keys: dict[str, KeySource] = {}
    if secrets:
        keys["HS256"] = SharedSecrets(secrets)
    if jwks_url:
        keys["RS256"] = keys["ES256"] = PublishedKeys(jwks_url)
    if not keys:
        raise SettingsError("Set RTC_TOKEN_SECRET or RTC_JWKS_URL: without one of them no token can be verified.")
    return TokenVerifier(keys, audience=audience, issuer=issuer, policies=policies)


def mint_token(
    secret: str,
    learner: Learner,
    *,
    audience: str,
    issuer: str | None = None,
    policy: str = READING.name,
    role: Literal["learner", "teacher"] = "learner",
    modules: Sequence[int] = (),
    name: str | None = None,
    ttl_s: int = 3600,
    now: float | None = None,
) -> str:
    """A token signed with HS256, as the platform makes it. now: unix seconds, by default the present."""
    issued_at = int(time.time() if now is None else now)
    claims: dict[str, object] = {
        "sub": str(learner.user_id),
        "module_id": learner.module_id,
        "section_id": learner.section_id,
        "policy": policy,
        "role": role,
        "aud": audience,
        "iat": issued_at,
        "nbf": issued_at,
        "exp": issued_at + ttl_s,
    }
    if issuer is not None:
        claims["iss"] = issuer
    if modules:
        claims["modules"] = list(modules)
    if name is not None:
        claims["name"] = name
    return jwt.encode(claims, secret, algorithm="HS256")


def _bearer_token(authorization: str | None) -> str:
    if not authorization:
        raise TokenMissing("Send a token: `Authorization: Bearer …`.")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise TokenMissing("The Authorization header must be of the scheme Bearer.")
    token = token.strip(" ")
    if not token or not token.isascii():
        raise TokenInvalid("The token is malformed.")
    return token


def _named_key(token: str) -> tuple[str, str | None]:
    """The algorithm and key id that an unverified token names. Raises TokenInvalid."""
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        # For deeply nested JSON PyJWT raises the parser's RecursionError.
        raise TokenInvalid("The token is malformed.") from None
    algorithm = header.get("alg")
    if not isinstance(algorithm, str):
        raise TokenInvalid("The token is malformed.")
    return algorithm, header.get("kid")

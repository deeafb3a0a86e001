"""The keys that tokens are verified with: secrets shared with the platform, or keys it publishes.

A key is bound to one algorithm by where it comes from, never by what a token claims, so a public
key cannot be used as a shared secret.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias
from urllib.parse import urlsplit

import aiohttp
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from rtc_server.errors import KeysUnavailable, SettingsError

logger = logging.getLogger(__name__)

VerificationKey: TypeAlias = bytes | RSAPublicKey | EllipticCurvePublicKey

MIN_SECRET_BYTES = 32
"""As long as SHA-256's output (RFC 7518, 3.2)."""
MIN_RSA_BITS = 2048
"""RFC 7518, 3.3."""

FRESH_S = 3600.0
"""How long a fetched key set is used without asking again."""
REFRESH_AGAIN_S = 60.0
"""How soon a refresh that failed is tried again. The keys already known stay in use until then."""
UNKNOWN_KEY_AGAIN_S = 5.0
"""Least time between two fetches for tokens whose key is not known. The key may be new, or the id invented: learners
wait no longer than this for a new key, and invented ids cost the platform at most 12 small requests a minute."""
FETCH_TIMEOUT_S = 5.0
MAX_KEY_SET_BYTES = 256 * 1024


class KeySource(Protocol):
    async def keys(self, algorithm: str, key_id: str | None) -> Sequence[VerificationKey]:
        """Keys for this algorithm that could have signed a token with this `kid`; may be none.

        Raises KeysUnavailable.
        """
        ...


class SharedSecrets:
    """HS256 secrets: the present one, and one before it that is still accepted while the platform changes over."""

    def __init__(self, secrets: Sequence[str]) -> None:
        """Raises SettingsError for a secret too short to resist guessing."""
        self._secrets = tuple(secret.encode() for secret in secrets)
        if any(len(secret) < MIN_SECRET_BYTES for secret in self._secrets):
            raise SettingsError(
                f"RTC_TOKEN_SECRET and RTC_TOKEN_SECRET_PREVIOUS must be {MIN_SECRET_BYTES} bytes or more; "
                "`openssl rand -base64 48` makes one."
            )

    async def keys(self, algorithm: str, key_id: str | None) -> Sequence[VerificationKey]:
        return self._secrets if algorithm == "HS256" else ()


class PublishedKeys:
    """RS256 and ES256 keys from a JWKS address (RFC 7517), fetched when needed and kept a while.

    A fetch that fails leaves the keys already known in use.
    """

    def __init__(self, url: str, *, now: Callable[[], float] = time.monotonic) -> None:
        """Raises SettingsError for a URL that is not https: somebody on the way could replace the keys."""
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise SettingsError("RTC_JWKS_URL must be an https:// address (http:// only on this machine).")
        self._url = url
        self._now = now
        self._known: dict[str, list[tuple[str | None, VerificationKey]]] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._fetching = asyncio.Lock()

    async def keys(self, algorithm: str, key_id: str | None) -> Sequence[VerificationKey]:
        found = self._find(algorithm, key_id)
        if not found:
            await self._fetch(again_s=UNKNOWN_KEY_AGAIN_S)
        elif self._is_stale() and not self._fetching.locked():
            await self._fetch(again_s=REFRESH_AGAIN_S)
        if self._fetched_at is None:
            raise KeysUnavailable("The keys that tokens are verified with cannot be fetched now. Try again later.")
        return self._find(algorithm, key_id)

    def _find(self, algorithm: str, key_id: str | None) -> list[VerificationKey]:
        return [key for known_id, key in self._known.get(algorithm, ()) if key_id is None or known_id in (None, key_id)]

    def _is_stale(self) -> bool:
        return self._fetched_at is None or self._now() - self._fetched_at >= FRESH_S

    async def _fetch(self, *, again_s: float) -> None:
        """Fetches, unless the last try ended less than `again_s` ago. Where a fetch runs, waits for it instead."""
        async with self._fetching:
            if self._tried_at is not None and self._now() - self._tried_at < again_s:
                return
            try:
                self._known = _keys_of(await self._download())
                self._fetched_at = self._now()
            except (aiohttp.ClientError, TimeoutError, ValueError, RecursionError) as error:
                logger.warning("the key set cannot be fetched", extra={"error": type(error).__name__})
            self._tried_at = self._now()

    async def _download(self) -> bytes:
        # Once an hour: a client session of its own needs nobody to close it.
        timeout = aiohttp.ClientTimeout(total=FETCH_TIMEOUT_S)
        async with (
            aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as client,
            client.get(self._url, allow_redirects=False) as response,
        ):
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > MAX_KEY_SET_BYTES:
                    raise ValueError("key set too large")
            return bytes(body)


def _keys_of(document: bytes) -> dict[str, list[tuple[str | None, VerificationKey]]]:
    """By algorithm, each with its `kid`. Other entries are ignored. Raises ValueError."""
    match json.loads(document):
        case {"keys": list(entries)}:
            pass
        case _:
            raise ValueError("not a JWK set")
    known: dict[str, list[tuple[str | None, VerificationKey]]] = {"RS256": [], "ES256": []}
    for entry in entries:
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
            continue
        algorithm = _algorithm_of(entry)
        key = _public_key(entry, algorithm) if algorithm else None
        if algorithm and key is not None:
            key_id = entry.get("kid")
            known[algorithm].append((key_id if isinstance(key_id, str) else None, key))
    return known


def _algorithm_of(entry: dict[str, Any]) -> str | None:
    match entry:
        case {"kty": "RSA"}:
            algorithm = "RS256"
        case {"kty": "EC", "crv": "P-256"}:
            algorithm = "ES256"
        case _:
            return None
    return algorithm if entry.get("alg", algorithm) == algorithm else None


def _public_key(entry: dict[str, Any], algorithm: str) -> VerificationKey | None:
    try:
        key = jwt.PyJWK(entry, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if isinstance(key, EllipticCurvePublicKey) or (isinstance(key, RSAPublicKey) and key.key_size >= MIN_RSA_BITS):
        return key
    return None

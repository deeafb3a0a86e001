"""Tells the browser its STUN and TURN servers: URLs, and credentials that expire.

The credentials are those of coturn's `use-auth-secret` (draft-uberti-behave-turn-rest-00). The relay computes the same
HMAC, so server and relay share a secret but no state.
"""

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from rtc_server.errors import SettingsError
from rtc_server.learner import Learner
from rtc_server.web.access.read_access import ReadAccess
from rtc_server.web.access.signing_keys import MIN_SECRET_BYTES
from rtc_server.web.server.requests import answer_options

_HOST = r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
_STUN_URL = re.compile(rf"stuns?:{_HOST}")
_TURN_URL = re.compile(rf"turns?:{_HOST}(?:\?transport=(?:udp|tcp))?")


@dataclass(frozen=True, slots=True)
class IceServer:
    """One entry of a browser's `RTCConfiguration.iceServers`."""

    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = None

    def as_json(self) -> dict[str, object]:
        described: dict[str, object] = {"urls": list(self.urls)}
        if self.username is not None:
            described |= {"username": self.username, "credential": self.credential}
        return described

    def as_links(self) -> list[str]:
        """Values of Link headers, one for each URL (RFC 9725, 4.6)."""
        attributes = '; rel="ice-server"'
        if self.username is not None:
            attributes += f'; username="{self.username}"; credential="{self.credential}"; credential-type="password"'
        return [f"<{url}>{attributes}" for url in self.urls]


class IceServers:
    """The STUN and TURN servers that a learner may use, with credentials for this learner."""

    def __init__(
        self,
        *,
        stun_urls: Sequence[str] = (),
        turn_urls: Sequence[str] = (),
        turn_secret: str | None = None,
        ttl_s: float = 3600.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        """turn_secret: shared with the relay. ttl_s: how long a credential can open new allocations.

        Raises SettingsError for an invalid URL, and for TURN without a secret.
        """
        for url in stun_urls:
            if not _STUN_URL.fullmatch(url):
                raise SettingsError(f"RTC_STUN_URLS: {url!r} is not a URL such as stun:host:3478.")
        for url in turn_urls:
            if not _TURN_URL.fullmatch(url):
                raise SettingsError(f"RTC_TURN_URLS: {url!r} is not a URL such as turn:host:3478?transport=udp.")
        if turn_urls and not turn_secret:
            raise SettingsError("RTC_TURN_URLS needs RTC_TURN_SECRET: the relay's static-auth-secret.")
        if turn_secret and len(turn_secret.encode()) < MIN_SECRET_BYTES:
            # Each learner gets an HMAC made with the secret, and could find a short one by trying.
            raise SettingsError(
                f"RTC_TURN_SECRET must have {MIN_SECRET_BYTES} bytes or more; run `openssl rand -hex 32`."
            )
        self._stun_urls = tuple(stun_urls)
        self._turn_urls = tuple(turn_urls)
        self._secret = (turn_secret or "").encode()
        self._ttl_s = ttl_s
        self._now = now
        self.credentials_given = 0
        """To learners, for the relay."""

    def for_learner(self, learner: Learner) -> list[IceServer]:
        servers = []
        if self._stun_urls:
            servers.append(IceServer(self._stun_urls))
        if self._turn_urls:
            servers.append(self._relay_for(self._pseudonym(learner)))
            self.credentials_given += 1
        return servers

    def for_server(self) -> IceServer:
        """The relay for this server itself. Raises SettingsError if there is none."""
        if not self._turn_urls:
            raise SettingsError("RTC_SERVER_TURN needs RTC_TURN_URLS and RTC_TURN_SECRET.")
        return self._relay_for("server")

    def _relay_for(self, user: str) -> IceServer:
        username = f"{int(self._now() + self._ttl_s)}:{user}"
        digest = hmac.new(self._secret, username.encode(), hashlib.sha1).digest()
        return IceServer(self._turn_urls, username, base64.b64encode(digest).decode())

    def _pseudonym(self, learner: Learner) -> str:
        """A name that does not tell the relay who the user is. It stays the same, so that the relay's quotas work."""
        # Not the credential's key: a user name must never be a valid credential.
        key = hashlib.sha256(b"rtc-server turn pseudonym" + self._secret).digest()
        return hmac.new(key, str(learner.user_id).encode(), hashlib.sha256).hexdigest()[:16]


class IceServersEndpoint:
    """GET /ice-servers: the servers that a client puts into its RTCConfiguration before it connects."""

    def __init__(self, reads: ReadAccess, ice_servers: IceServers) -> None:
        self._reads = reads
        self._ice_servers = ice_servers

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/ice-servers", self._read, allow_head=False),
            web.options("/ice-servers", answer_options("GET")),
        ]

    async def _read(self, request: web.Request) -> web.Response:
        async with self._reads.admitted(request) as grant:
            servers = self._ice_servers.for_learner(grant.learner)
        return web.json_response({"iceServers": [server.as_json() for server in servers]})

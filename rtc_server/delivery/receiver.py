"""HTTP to a receiver that is not trusted: where it may be, how long it may take, and how much of it is read.

The address is checked where the socket is made, after the name was resolved: what was checked is what is connected to,
however often the name's answer changes. Redirects are not followed.
"""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver

from rtc_server import __version__
from rtc_server.delivery.addresses import is_public
from rtc_server.errors import SettingsError
from rtc_server.event import SEND_WITHIN_S

CONNECT_WITHIN_S = 5.0
MOST_READ = 4096
"""Bytes of an answer. Nothing in it is needed but the status and, in one sink, a word or two."""
_MOST_RETRY_AFTER_S = 86_400


class NotSent(Exception):
    """It has certainly not arrived: no connection was made. The message is for an operator."""


class NoAnswer(Exception):
    """It may have arrived: the connection was made, and then no whole answer came."""


_NOT_PUBLIC = "its address is not public (RTC_WEBHOOK_ALLOW_PRIVATE)"
_NOT_PRIVATE = "http:// is for private addresses only"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    """Its first MOST_READ bytes."""
    retry_after_s: float


class Receiver:
    """One address that events are posted to. Close it."""

    def __init__(
        self, url: str, *, setting: str, allow_private: bool = False, resolver: AbstractResolver | None = None
    ) -> None:
        """setting: its name, for the error. Raises SettingsError if the address is none that anything is sent to."""
        self._url = url
        _check(url, setting, allow_private=allow_private)
        self._plain = urlsplit(url).scheme == "http"
        self._allow_private = allow_private
        self._resolver = resolver
        self._client: aiohttp.ClientSession | None = None

    async def post(self, body: bytes, headers: Mapping[str, str], *, path: str = "") -> Answer:
        """Within SEND_WITHIN_S. Raises NotSent, NoAnswer."""
        try:
            async with self._session().post(
                self._url + path, data=body, headers=headers, allow_redirects=False
            ) as response:
                return Answer(response.status, await _beginning(response), _retry_after_s(response))
        except (aiohttp.ClientConnectorError, aiohttp.ClientSSLError, aiohttp.ConnectionTimeoutError) as error:
            raise NotSent(_why(error)) from error
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise NoAnswer(f"no answer ({type(error).__name__})") from error

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    def _session(self) -> aiohttp.ClientSession:
        if self._client is None:
            connector = aiohttp.TCPConnector(
                resolver=self._resolver,
                use_dns_cache=False,
                force_close=True,  # whether a connection that was kept has just been closed cannot be known
                socket_factory=self._socket,
            )
            self._client = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=SEND_WITHIN_S, sock_connect=CONNECT_WITHIN_S),
                headers={"User-Agent": f"rtc-server/{__version__}", "Accept-Encoding": "identity"},
                auto_decompress=False,
            )
        return self._client

    def _socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, (host, *_) = address
        public = is_public(str(host))
        if not public and not self._allow_private:
            raise OSError(_NOT_PUBLIC)
        if public and self._plain:
            raise OSError(_NOT_PRIVATE)
        return socket.socket(family, kind, protocol)


def _check(url: str, setting: str, *, allow_private: bool) -> None:
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0 and parts.username is None and not parts.fragment
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError(f"{setting} is no address that can be posted to: write it as https://host/path.")
    if parts.scheme != "https" and not (allow_private and parts.scheme == "http"):
        raise SettingsError(
            f"{setting} must be an https:// address; with RTC_WEBHOOK_ALLOW_PRIVATE=1 also http:// to a private one."
        )


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    while len(body) < MOST_READ and (chunk := await response.content.read(MOST_READ - len(body))):
        body += chunk
    return bytes(body)


def _retry_after_s(response: aiohttp.ClientResponse) -> float:
    text = response.headers.get("Retry-After", "")
    return float(min(int(text), _MOST_RETRY_AFTER_S)) if text.isascii() and text.isdigit() and len(text) < 10 else 0.0


def _why(error: aiohttp.ClientError) -> str:
    """Names neither the address nor what its certificate says."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name was not found"
    if isinstance(error, aiohttp.ClientSSLError | aiohttp.ClientConnectorCertificateError):
        return "its certificate was not accepted"
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    # Where a name has several addresses, asyncio's error has the words of all.
    refused = next((words for words in (_NOT_PUBLIC, _NOT_PRIVATE) if words in str(cause)), None)
    return refused or f"no connection ({type(cause).__name__})"

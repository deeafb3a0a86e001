"""The address of a TURN relay (RFC 7065)."""

import re
from dataclasses import dataclass

from rtc_server.errors import SettingsError

_TURN_URL = re.compile(
    r"(?P<scheme>turns?):(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:?\[\]]+)(:(?P<port>\d{1,5}))?(\?transport=(?P<transport>udp|tcp))?"
)


@dataclass(frozen=True, slots=True)
class TurnUrl:
    """One address of the relay, as RFC 7065 writes it."""

    scheme: str
    """`turn` or `turns`."""
    host: str
    port: int
    transport: str
    """`udp` or `tcp`; under `turns`, tcp is TLS."""

    @property
    def name(self) -> str:
        """What a person calls it: UDP, TCP or TLS."""
        return "TLS" if self.scheme == "turns" else self.transport.upper()


def turn_url(url: str) -> TurnUrl:
    """Raises SettingsError where it is none."""
    match = _TURN_URL.fullmatch(url)
    if match is None or not 0 < int(match["port"] or 1) <= 65535:
        raise SettingsError(f"RTC_TURN_URLS: {url!r} is not of the form turn:host:port?transport=udp")
    secure = match["scheme"] == "turns"
    transport = match["transport"] or ("tcp" if secure else "udp")
    return TurnUrl(
        match["scheme"], match["host"].strip("[]"), int(match["port"] or (5349 if secure else 3478)), transport
    )

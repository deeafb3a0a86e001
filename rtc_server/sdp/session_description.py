"""SDP, line by line (RFC 8866), and the fragments that follow an offer (RFC 8840)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from rtc_server.errors import OfferMalformed

MAX_OFFER_BYTES = 32 * 1024
MAX_SECTIONS = 8
MAX_LINES = 1000
"""A browser with camera, microphone and channels offers 250; each line is work."""

Attributes = list[tuple[str, str]]
"""Name and value; "" for a flag."""


@dataclass(slots=True)
class MediaSection:
    """A media line (`m=`), and the attributes below it."""

    kind: str
    port: int
    profile: str
    formats: list[str]
    attributes: Attributes = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]

    def first(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)

    @property
    def live(self) -> bool:
        """A port of 0 refuses a section, unless it shares another's (`bundle-only`)."""
        return self.port != 0 or self.first("bundle-only") is not None

    @property
    def direction(self) -> str:
        return next((d for d in ("sendonly", "recvonly", "inactive") if self.first(d) is not None), "sendrecv")


def read_session_description(sdp: str) -> tuple[Attributes, list[MediaSection]]:
    """The session's own attributes, and its media. Raises OfferMalformed."""
    if len(sdp.encode("utf-8", "replace")) > MAX_OFFER_BYTES:
        raise OfferMalformed("The offer is longer than 32 KB.")
    if not sdp.startswith("v=0"):
        raise OfferMalformed("The offer is not SDP.")
    session: Attributes = []
    sections: list[MediaSection] = []
    lines = sdp.splitlines()
    if len(lines) > MAX_LINES:
        raise OfferMalformed(f"The offer has more than {MAX_LINES} lines.")
    for line in lines:
        if not line:
            continue
        if not line.isprintable() or re.match(r"[a-z]=", line) is None:
            raise OfferMalformed("The offer is not SDP.")
        if line.startswith("m="):
            sections.append(_media_line(line))
        elif line.startswith("a="):
            (sections[-1].attributes if sections else session).append(_attribute(line))
    if len(sections) > MAX_SECTIONS:
        raise OfferMalformed(f"The offer has more than {MAX_SECTIONS} media sections.")
    return session, sections


def ice_credentials(fragment: str) -> tuple[str | None, str | None]:
    """ufrag and password of a trickled fragment (RFC 8840), None where it names none. Raises OfferMalformed."""
    if len(fragment) > MAX_OFFER_BYTES:
        raise OfferMalformed("The fragment is too long.")
    lines = fragment.splitlines()
    if len(lines) > MAX_LINES:
        raise OfferMalformed(f"The fragment has more than {MAX_LINES} lines.")
    if not any(line.startswith("a=") for line in lines):
        raise OfferMalformed("The fragment has no attribute.")
    if any(line and re.match(r"[a-z]=", line) is None for line in lines):
        raise OfferMalformed("The fragment is not SDP.")
    attributes = [_attribute(line) for line in lines if line.startswith("a=")]
    return next(values(attributes, "ice-ufrag"), None), next(values(attributes, "ice-pwd"), None)


def values(attributes: Attributes, name: str) -> Iterator[str]:
    """Of the attributes of that name."""
    return (value for key, value in attributes if key == name)


def _media_line(line: str) -> MediaSection:
    parts = line[2:].split()
    if len(parts) < 4 or not parts[1].isascii() or not parts[1].isdigit():
        raise OfferMalformed("A media line of the offer is malformed.")
    return MediaSection(kind=parts[0], port=int(parts[1]), profile=parts[2], formats=parts[3:])


def _attribute(line: str) -> tuple[str, str]:
    name, _, value = line[2:].partition(":")
    return name, value.strip()

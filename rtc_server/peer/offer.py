"""What is taken from an offer (RFC 8829, RFC 9143, RFC 9725).

An offer is read line by line and written anew with what this server uses, so nothing else of it can
reach aiortc: no candidates (the browser's own checks make the pairs, and a candidate is an address
somebody could have us send packets to), no audio, no header extensions, one codec.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from rtc_server.errors import OfferMalformed, OfferUnacceptable
from rtc_server.media.frame import Codec

MAX_OFFER_BYTES = 32 * 1024
MAX_SECTIONS = 8
MAX_LINES = 1000
"""A browser with camera, microphone and channels offers 250; each line is work."""

_BASELINE_PROFILES = re.compile(r"42[0-9a-f]{4}", re.IGNORECASE)
_ICE_CHARACTERS = re.compile(r"[A-Za-z0-9+/]{4,256}")
_TRANSPORT_ATTRIBUTES = ("ice-ufrag", "ice-pwd", "fingerprint", "setup")


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer that this server can take."""

    sdp: str
    """The offer as aiortc is given it."""
    codec: Codec
    payload_type: int
    ice_ufrag: str
    ice_pwd: str
    bundled: bool
    refused: tuple[tuple[int, str], ...]
    """Refused media sections: their place, and their answer."""


@dataclass(slots=True)
class _Section:
    kind: str
    port: int
    profile: str
    formats: list[str]
    attributes: list[tuple[str, str]] = field(default_factory=list)
    """Name and value; "" for a flag."""

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


def read_offer(sdp: str) -> Offer:
    """Raises OfferMalformed, or OfferUnacceptable where only the codecs do not fit."""
    session, sections = _parse(sdp)
    videos = [section for section in sections if section.kind == "video" and section.live]
    channels = [section for section in sections if section.kind == "application" and section.live]
    if not videos:
        raise OfferMalformed("The offer has no video.")
    if len(videos) > 1:
        raise OfferMalformed("The offer has more than one video; one camera is enough.")
    if len(channels) > 1:
        raise OfferMalformed("The offer has more than one section for data channels.")
    video = videos[0]
    if video.direction not in ("sendonly", "sendrecv"):
        raise OfferMalformed("The offered video is not sent: it must be sendonly or sendrecv.")
    if video.first("rtcp-mux") is None:
        raise OfferMalformed("The offered video has no rtcp-mux.")
    codec, payload_type = _choose_codec(video)

    kept = [section for section in sections if section is video or section in channels]
    group = next((value.split()[1:] for value in _values(session, "group") if value.startswith("BUNDLE ")), [])
    if len(kept) > 1 and any(section.first("mid") not in group for section in kept):
        raise OfferMalformed("The offer's sections must be bundled.")
    transport = _transport_of(video, session, sections, group)
    refused = tuple(
        (index, _refusal(section)) for index, section in enumerate(sections) if not any(section is k for k in kept)
    )
    # A section of data channels goes on; all else of it is ours.
    return Offer(
        sdp=_sanitised(kept, video, payload_type, transport, [mid for mid in group if mid in _mids(kept)]),
        codec=codec,
        payload_type=payload_type,
        ice_ufrag=transport["ice-ufrag"][0],
        ice_pwd=transport["ice-pwd"][0],
        bundled=bool(group),
        refused=refused,
    )


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
    return next(_values(attributes, "ice-ufrag"), None), next(_values(attributes, "ice-pwd"), None)


# -- reading


def _parse(sdp: str) -> tuple[list[tuple[str, str]], list[_Section]]:
    if len(sdp.encode("utf-8", "replace")) > MAX_OFFER_BYTES:
        raise OfferMalformed("The offer is longer than 32 KB.")
    if not sdp.startswith("v=0"):
        raise OfferMalformed("The offer is not SDP.")
    session: list[tuple[str, str]] = []
    sections: list[_Section] = []
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


def _media_line(line: str) -> _Section:
    parts = line[2:].split()
    if len(parts) < 4 or not parts[1].isascii() or not parts[1].isdigit():
        raise OfferMalformed("A media line of the offer is malformed.")
    return _Section(kind=parts[0], port=int(parts[1]), profile=parts[2], formats=parts[3:])


def _attribute(line: str) -> tuple[str, str]:
    name, _, value = line[2:].partition(":")
    return name, value.strip()


def _values(attributes: list[tuple[str, str]], name: str) -> Iterator[str]:
    return (value for key, value in attributes if key == name)


def _mids(sections: list[_Section]) -> set[str | None]:
    return {section.first("mid") for section in sections}


def _choose_codec(video: _Section) -> tuple[Codec, int]:
    """The first offered codec that the server decodes."""
    encodings = dict(value.split(None, 1) for value in video.all("rtpmap") if " " in value)
    parameters = dict(value.split(None, 1) for value in video.all("fmtp") if " " in value)
    for payload_type in video.formats:
        if not (payload_type.isascii() and payload_type.isdigit() and 0 <= int(payload_type) <= 127):
            raise OfferMalformed("A payload type of the offer is no number up to 127.")
        encoding = encodings.get(payload_type, "").upper()
        if encoding == "VP8/90000":
            return "vp8", int(payload_type)
        if encoding == "H264/90000" and _is_baseline(parameters.get(payload_type, "")):
            return "h264", int(payload_type)
    raise OfferUnacceptable(
        "No offered video codec can be used: VP8, or H.264 of a baseline profile with packetization-mode=1."
    )


def _is_baseline(parameters: str) -> bool:
    named = dict(pair.strip().split("=", 1) for pair in parameters.split(";") if "=" in pair)
    profile = named.get("profile-level-id", "42e01f")
    return named.get("packetization-mode") == "1" and _BASELINE_PROFILES.fullmatch(profile) is not None


def _transport_of(
    video: _Section, session: list[tuple[str, str]], sections: list[_Section], group: list[str]
) -> dict[str, list[str]]:
    """Video's transport: its own words, else those of the section it is bundled with, else the session's."""
    tagged = next((section for section in sections if group and section.first("mid") == group[0]), video)
    found: dict[str, list[str]] = {}
    for name in _TRANSPORT_ATTRIBUTES:
        found[name] = video.all(name) or tagged.all(name) or list(_values(session, name))
        if not found[name]:
            raise OfferMalformed(f"The offered video has no {name}.")
    if _ICE_CHARACTERS.fullmatch(found["ice-ufrag"][0]) is None or (
        len(found["ice-pwd"][0]) < 22 or _ICE_CHARACTERS.fullmatch(found["ice-pwd"][0]) is None
    ):
        raise OfferMalformed("The offer's ICE credentials are malformed.")
    if found["setup"][0] not in ("actpass", "active", "passive"):
        raise OfferMalformed("The offer's DTLS setup is none of actpass, active, passive.")
    if not all(re.fullmatch(r"[\w-]+ [0-9A-Fa-f:]+", value) for value in found["fingerprint"]):
        raise OfferMalformed("The offer's fingerprint is malformed.")
    return found


# -- writing


def _sanitised(
    kept: list[_Section], video: _Section, payload_type: int, transport: dict[str, list[str]], group: list[str]
) -> str:
    lines = ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=-", "t=0 0"]
    if group:
        lines.append(f"a=group:BUNDLE {' '.join(group)}")
    for section in kept:
        if section is video:
            lines += [f"m=video 9 UDP/TLS/RTP/SAVPF {payload_type}", "a=sendonly", "a=rtcp-mux"]
            for name in ("rtpmap", "fmtp", "rtcp-fb"):
                values = [value for value in section.all(name) if value.split()[:1] in ([str(payload_type)], ["*"])]
                lines += [f"a={name}:{value}" for value in values[:16]]
        else:
            lines.append(f"m=application 9 {_channel_profile(section)}")
            lines += [
                f"a={name}:{value}"
                for name in ("sctp-port", "sctpmap", "max-message-size")
                for value in section.all(name)[:1]
            ]
        lines += [f"a=mid:{mid}" for mid in section.all("mid")[:1]]
        lines += [f"a={name}:{value}" for name in _TRANSPORT_ATTRIBUTES for value in transport[name][:4]]
    return "\r\n".join(lines) + "\r\n"


def _channel_profile(section: _Section) -> str:
    if section.profile not in ("UDP/DTLS/SCTP", "TCP/DTLS/SCTP", "DTLS/SCTP"):
        raise OfferMalformed("The offer's data channels are not SCTP over DTLS.")
    if any(not value.isdigit() for name in ("sctp-port", "max-message-size") for value in section.all(name)):
        raise OfferMalformed("A number of the offer's data channels is malformed.")
    if section.profile != "DTLS/SCTP" and section.first("sctp-port") is None:
        raise OfferMalformed("The offer's data channels have no sctp-port.")
    return f"{section.profile} {section.formats[0]}"


def _refusal(section: _Section) -> str:
    mid = section.first("mid")
    lines = [f"m={section.kind} 0 {section.profile} {' '.join(section.formats)}", "c=IN IP4 0.0.0.0", "a=inactive"]
    return "\r\n".join([*lines, f"a=mid:{mid}"] if mid else lines)

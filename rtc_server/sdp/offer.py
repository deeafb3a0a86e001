"""What is taken from an offer (RFC 8829, RFC 9143, RFC 9725).

An offer is read line by line and written anew with what this server uses, so nothing else of it can
reach aiortc: no candidates (the browser's own checks make the pairs, and a candidate is an address
somebody could have us send packets to), no audio, no header extensions, one codec.
"""

import re
from dataclasses import dataclass

from rtc_server.errors import OfferMalformed, OfferUnacceptable
from rtc_server.frame import Codec
from rtc_server.sdp.session_description import Attributes, MediaSection, read_session_description, values

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
    bundled: bool
    refused: tuple[tuple[int, str], ...]
    """Refused media sections: their place, and their answer."""


def read_offer(sdp: str) -> Offer:
    """Raises OfferMalformed, or OfferUnacceptable where only the codecs do not fit."""
    session, sections = read_session_description(sdp)
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
    group = next((value.split()[1:] for value in values(session, "group") if value.startswith("BUNDLE ")), [])
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
        bundled=bool(group),
        refused=refused,
    )


def _choose_codec(video: MediaSection) -> tuple[Codec, int]:
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
    video: MediaSection, session: Attributes, sections: list[MediaSection], group: list[str]
) -> dict[str, list[str]]:
    """Video's transport: its own words, else those of the section it is bundled with, else the session's."""
    tagged = next((section for section in sections if group and section.first("mid") == group[0]), video)
    found: dict[str, list[str]] = {}
    for name in _TRANSPORT_ATTRIBUTES:
        found[name] = video.all(name) or tagged.all(name) or list(values(session, name))
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


def _mids(sections: list[MediaSection]) -> set[str | None]:
    return {section.first("mid") for section in sections}


def _sanitised(
    kept: list[MediaSection], video: MediaSection, payload_type: int, transport: dict[str, list[str]], group: list[str]
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


def _channel_profile(section: MediaSection) -> str:
    if section.profile not in ("UDP/DTLS/SCTP", "TCP/DTLS/SCTP", "DTLS/SCTP"):
        raise OfferMalformed("The offer's data channels are not SCTP over DTLS.")
    if any(not value.isdigit() for name in ("sctp-port", "max-message-size") for value in section.all(name)):
        raise OfferMalformed("A number of the offer's data channels is malformed.")
    if section.profile != "DTLS/SCTP" and section.first("sctp-port") is None:
        raise OfferMalformed("The offer's data channels have no sctp-port.")
    return f"{section.profile} {section.formats[0]}"


def _refusal(section: MediaSection) -> str:
    mid = section.first("mid")
    lines = [f"m={section.kind} 0 {section.profile} {' '.join(section.formats)}", "c=IN IP4 0.0.0.0", "a=inactive"]
    return "\r\n".join([*lines, f"a=mid:{mid}"] if mid else lines)

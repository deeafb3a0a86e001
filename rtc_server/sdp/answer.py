"""What is said in the answer (RFC 8829, RFC 9143, RFC 9725)."""

import re

from rtc_server.sdp.offer import Offer

SCTP_MESSAGE_BYTES = 16 * 1024
"""Of one data-channel message that a client may send: enough for an answer to one that is too long."""


def write_answer(offer: Offer, answer: str, max_bitrate_kbps: int) -> str:
    """aiortc's answer, with what WHIP asks for, caps for the sender, and a refusal in each refused section's place."""
    session, sections = _split(answer)
    written = [_answer_section(section, max_bitrate_kbps) for section in sections]
    for index, refusal in offer.refused:
        written.insert(index, [refusal])
    if not offer.bundled:
        session = [line for line in session if not line.startswith("a=group:BUNDLE")]
    return "\r\n".join(session + [line for section in written for line in section]) + "\r\n"


def _split(sdp: str) -> tuple[list[str], list[list[str]]]:
    session: list[str] = []
    sections: list[list[str]] = []
    for line in sdp.splitlines():
        if line.startswith("m="):
            sections.append([line])
        else:
            (sections[-1] if sections else session).append(line)
    return session, sections


def _answer_section(lines: list[str], max_bitrate_kbps: int) -> list[str]:
    dropped = ("a=ssrc", "a=msid", "a=fingerprint:sha-384", "a=fingerprint:sha-512")
    kept = [line for line in lines if not line.startswith(dropped)]
    if not lines[0].startswith("m=video"):
        return [re.sub(r"^a=max-message-size:.*", f"a=max-message-size:{SCTP_MESSAGE_BYTES}", line) for line in kept]
    after_connection = next(i for i, line in enumerate(kept) if line.startswith("c=")) + 1
    kept[after_connection:after_connection] = [f"b=AS:{max_bitrate_kbps}", f"b=TIAS:{max_bitrate_kbps * 1000}"]
    kept.insert(kept.index("a=rtcp-mux") + 1, "a=rtcp-mux-only")
    return kept

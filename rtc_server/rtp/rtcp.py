"""RTCP packets that a receiver of video reads and writes (RFC 3550, section 6; RFC 4585). Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from struct import Struct

VERSION = 2
SENDER_REPORT, RECEIVER_REPORT, TRANSPORT_FEEDBACK, PAYLOAD_FEEDBACK = 200, 201, 205, 206
NEGATIVE_ACKNOWLEDGEMENT = 1
PICTURE_LOSS_INDICATION, APPLICATION_LAYER_FEEDBACK = 1, 15

MAX_PARTS = 8
"""That are read of a compound packet. A sender's report is the first of them (RFC 3550, 6.1); 300 empty ones fit in."""
MOST_LOST = 0x7FFFFF
"""`cumulative number of packets lost` is a signed number of 24 bits."""
BITRATE_BITS = 18
"""Of a maximum bitrate's mantissa; six more bits are its exponent."""

_HEADER = Struct("!BBH")
_TWO_SSRCS = Struct("!LL")
_REPORT_BLOCK = Struct("!LLLLLL")
_SEQUENCE_AND_BITS = Struct("!HH")
_SENDER_INFO = Struct("!LQ")


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """How one stream arrives (RFC 3550, 6.4.1)."""

    ssrc: int
    fraction_lost: int
    """Since the last report, in 1/256."""
    packets_lost: int
    """Since the beginning; less than 0 where packets came twice."""
    highest_sequence: int
    """Extended to 32 bits."""
    last_sender_report: int
    """Middle 32 bits of its NTP time; 0 without one."""
    delay_since_last_sender_report: int
    """In 1/65536 s; what does not fit into 32 bits is written as the most that does."""


@dataclass(frozen=True, slots=True)
class SenderReport:
    ssrc: int
    ntp_middle: int
    """Middle 32 bits of the NTP time (RFC 3550, 4)."""


def sender_reports(compound: bytes) -> Iterator[SenderReport]:
    """The sender reports of a compound packet, up to the first byte that is no RTCP, or to MAX_PARTS."""
    position = 0
    for _ in range(MAX_PARTS):
        if position + _HEADER.size > len(compound):
            return
        first, packet_type, words = _HEADER.unpack_from(compound, position)
        end = position + 4 * (words + 1)
        if first >> 6 != VERSION or end > len(compound):
            return
        if packet_type == SENDER_REPORT and end - position >= _HEADER.size + _SENDER_INFO.size:
            ssrc, ntp = _SENDER_INFO.unpack_from(compound, position + _HEADER.size)
            yield SenderReport(ssrc, (ntp >> 16) & 0xFFFFFFFF)
        position = end


def receiver_report(sender_ssrc: int, block: ReportBlock) -> bytes:
    """RFC 3550, 6.4.2, with one block and without jitter, which nobody reads here."""
    lost = min(max(block.packets_lost, -MOST_LOST - 1), MOST_LOST)
    body = sender_ssrc.to_bytes(4, "big") + _REPORT_BLOCK.pack(
        block.ssrc,
        block.fraction_lost << 24 | lost & 0xFFFFFF,
        block.highest_sequence & 0xFFFFFFFF,
        0,
        block.last_sender_report,
        min(block.delay_since_last_sender_report, 0xFFFFFFFF),
    )
    return _packet(RECEIVER_REPORT, 1, body)


def maximum_bitrate(sender_ssrc: int, media_ssrc: int, bits_per_s: int) -> bytes:
    """Receiver Estimated Maximum Bitrate (draft-alvestrand-rmcat-remb-03, 2.2): asks for no more than this."""
    exponent = max(0, bits_per_s.bit_length() - BITRATE_BITS)
    rate = 1 << 24 | exponent << BITRATE_BITS | bits_per_s >> exponent
    body = _TWO_SSRCS.pack(sender_ssrc, 0) + b"REMB" + _TWO_SSRCS.pack(rate, media_ssrc)
    return _packet(PAYLOAD_FEEDBACK, APPLICATION_LAYER_FEEDBACK, body)


def picture_loss_indication(sender_ssrc: int, media_ssrc: int) -> bytes:
    """RFC 4585, 6.3.1: asks for a keyframe."""
    return _packet(PAYLOAD_FEEDBACK, PICTURE_LOSS_INDICATION, _TWO_SSRCS.pack(sender_ssrc, media_ssrc))


def negative_acknowledgement(sender_ssrc: int, media_ssrc: int, missing: Sequence[int]) -> bytes:
    """RFC 4585, 6.2.1: asks for packets again.

    missing: sequence numbers of 16 bits, in the order in which they were sent.
    """
    items: list[list[int]] = []
    for sequence in missing:
        # Each item names a packet, and by its bits any of the sixteen after it.
        after = (sequence - items[-1][0] - 1) & 0xFFFF if items else 0xFFFF
        if after < 16:
            items[-1][1] |= 1 << after
        else:
            items.append([sequence, 0])
    body = b"".join(_SEQUENCE_AND_BITS.pack(*item) for item in items)
    return _packet(TRANSPORT_FEEDBACK, NEGATIVE_ACKNOWLEDGEMENT, _TWO_SSRCS.pack(sender_ssrc, media_ssrc) + body)


def _packet(packet_type: int, count: int, body: bytes) -> bytes:
    """count: of report blocks, or the feedback message's type."""
    return _HEADER.pack(VERSION << 6 | count, packet_type, len(body) // 4) + body

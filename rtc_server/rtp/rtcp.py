"""RTCP packets that a receiver of video reads and writes (RFC 3550, section 6; RFC 4585). Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from struct import Struct

VERSION = 2
SENDER_REPORT, RECEIVER_REPORT, TRANSPORT_FEEDBACK, PAYLOAD_FEEDBACK = 200, 201, 205, 206
NEGATIVE_ACKNOWLEDGEMENT = 1
PICTURE_LOSS_INDICATION, APPLICATION_LAYER_FEEDBACK = 1, 15

MAX_PARTS = 8
"""Most parts of a compound packet that are read. A sender report is always the first (RFC 3550, 6.1). A packet could
have 300 empty parts."""
MOST_LOST = 0x7FFFFF
"""Greatest `cumulative number of packets lost`: it is a signed number of 24 bits."""
BITRATE_BITS = 18
"""Bits of the mantissa of a maximum bitrate; its exponent has six more bits."""

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
    """Share lost since the last report, in 1/256."""
    packets_lost: int
    """Packets lost since the beginning; less than 0 if packets arrived twice."""
    highest_sequence: int
    """Extended to 32 bits."""
    last_sender_report: int
    """Middle 32 bits of the NTP time in the last sender report; 0 if there was none."""
    delay_since_last_sender_report: int
    """In 1/65536 s; a longer delay is written as the greatest number of 32 bits."""


@dataclass(frozen=True, slots=True)
class SenderReport:
    ssrc: int
    ntp_middle: int
    """Middle 32 bits of the NTP time (RFC 3550, 4)."""


def sender_reports(compound: bytes) -> Iterator[SenderReport]:
    """The sender reports in the first MAX_PARTS parts of a compound packet. Stops at a part that is not valid RTCP."""
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
    """A receiver report (RFC 3550, 6.4.2) with one block. Its jitter is 0: senders do not need it."""
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
    """Receiver Estimated Maximum Bitrate (draft-alvestrand-rmcat-remb-03, 2.2): the most that may be sent."""
    exponent = max(0, bits_per_s.bit_length() - BITRATE_BITS)
    rate = 1 << 24 | exponent << BITRATE_BITS | bits_per_s >> exponent
    body = _TWO_SSRCS.pack(sender_ssrc, 0) + b"REMB" + _TWO_SSRCS.pack(rate, media_ssrc)
    return _packet(PAYLOAD_FEEDBACK, APPLICATION_LAYER_FEEDBACK, body)


def picture_loss_indication(sender_ssrc: int, media_ssrc: int) -> bytes:
    """Asks for a keyframe (RFC 4585, 6.3.1)."""
    return _packet(PAYLOAD_FEEDBACK, PICTURE_LOSS_INDICATION, _TWO_SSRCS.pack(sender_ssrc, media_ssrc))


def negative_acknowledgement(sender_ssrc: int, media_ssrc: int, missing: Sequence[int]) -> bytes:
    """Asks for packets again (RFC 4585, 6.2.1).

    missing: sequence numbers of 16 bits, in the order in which they were sent.
    """
    items: list[list[int]] = []
    for sequence in missing:
        # Each item has one sequence number and 16 bits: one bit for each of the 16 packets after it.
        after = (sequence - items[-1][0] - 1) & 0xFFFF if items else 0xFFFF
        if after < 16:
            items[-1][1] |= 1 << after
        else:
            items.append([sequence, 0])
    body = b"".join(_SEQUENCE_AND_BITS.pack(*item) for item in items)
    return _packet(TRANSPORT_FEEDBACK, NEGATIVE_ACKNOWLEDGEMENT, _TWO_SSRCS.pack(sender_ssrc, media_ssrc) + body)


def _packet(packet_type: int, count: int, body: bytes) -> bytes:
    """count: number of report blocks, or the type of a feedback message."""
    return _HEADER.pack(VERSION << 6 | count, packet_type, len(body) // 4) + body

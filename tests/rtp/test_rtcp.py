"""RTCP as aiortc, another implementation, reads and writes it."""

import pytest
from aiortc.rtp import (
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSenderInfo,
    RtcpSrPacket,
    unpack_remb_fci,
)
from hypothesis import given
from hypothesis import strategies as st

from rtc_server.rtp.rtcp import (
    MOST_LOST,
    ReportBlock,
    SenderReport,
    maximum_bitrate,
    negative_acknowledgement,
    picture_loss_indication,
    receiver_report,
    sender_reports,
)

SSRC = st.integers(0, 2**32 - 1)
U32 = st.integers(0, 2**32 - 1)


def read(packet: bytes):
    (part,) = RtcpPacket.parse(packet)
    return part


@given(SSRC, SSRC, st.integers(0, 255), st.integers(-MOST_LOST - 1, MOST_LOST), U32, U32, U32)
def test_a_receiver_report_is_read_as_it_was_written(sender, ssrc, fraction, lost, highest, last, delay) -> None:
    part = read(receiver_report(sender, ReportBlock(ssrc, fraction, lost, highest, last, delay)))

    assert isinstance(part, RtcpRrPacket)
    assert part.ssrc == sender
    assert part.reports == [RtcpReceiverInfo(ssrc, fraction, lost, highest, 0, last, delay)]


@pytest.mark.parametrize(("lost", "written"), [(2**40, MOST_LOST), (-(2**40), -MOST_LOST - 1)])
def test_lost_packets_past_24_bits_are_written_as_the_most_there_can_be(lost: int, written: int) -> None:
    part = read(receiver_report(1, ReportBlock(2, 0, lost, 0, 0, 0)))

    assert part.reports[0].packets_lost == written


@given(SSRC, SSRC, st.integers(1, 2**40))
def test_a_maximum_bitrate_is_read_within_its_precision(sender: int, media: int, bits_per_s: int) -> None:
    part = read(maximum_bitrate(sender, media, bits_per_s))

    assert isinstance(part, RtcpPsfbPacket)
    bitrate, ssrcs = unpack_remb_fci(part.fci)
    assert ssrcs == [media]
    assert 0 <= bits_per_s - bitrate <= bits_per_s / 2**17


@given(SSRC, SSRC)
def test_a_picture_loss_indication_names_its_stream(sender: int, media: int) -> None:
    assert read(picture_loss_indication(sender, media)) == RtcpPsfbPacket(1, sender, media)


@given(st.integers(0, 0xFFFF), st.sets(st.integers(0, 200), min_size=1))
def test_lost_packets_are_asked_for_in_order_and_past_the_wrap(first: int, offsets: set[int]) -> None:
    missing = [(first + offset) & 0xFFFF for offset in sorted(offsets)]

    packet = negative_acknowledgement(1, 2, missing)

    part = read(packet)
    assert isinstance(part, RtcpRtpfbPacket)
    # aiortc's reader does not wrap the numbers that a bit names.
    assert [sequence & 0xFFFF for sequence in part.lost] == missing
    assert len(packet) <= 12 + 4 * len(missing)


@given(SSRC, st.integers(0, 2**64 - 1))
def test_a_sender_report_is_found_between_others(ssrc: int, ntp: int) -> None:
    report = bytes(RtcpSrPacket(ssrc, RtcpSenderInfo(ntp, 1, 2, 3)))
    compound = picture_loss_indication(1, 2) + report + picture_loss_indication(3, 4)

    assert list(sender_reports(compound)) == [SenderReport(ssrc, ntp >> 16 & 0xFFFFFFFF)]


@given(st.binary(max_size=200))
def test_what_is_no_rtcp_holds_no_report_and_raises_nothing(junk: bytes) -> None:
    assert all(0 <= report.ssrc < 2**32 for report in sender_reports(junk))


def test_a_report_that_is_cut_off_is_none() -> None:
    report = bytes(RtcpSrPacket(7, RtcpSenderInfo(1, 1, 2, 3)))

    assert list(sender_reports(report[:-1])) == []
    assert list(sender_reports(report[:8])) == []

"""What the sender is told in return for its video."""

import pytest
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_PLI,
    AnyRtcpPacket,
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSenderInfo,
    RtcpSrPacket,
    RtpPacket,
    unpack_remb_fci,
)

from rtc_server.frame import EncodedFrame
from rtc_server.rtp.media_clock import MediaClock
from rtc_server.rtp.receiver import STREAM_IDLE_S, MediaReceiver
from tests.rtp.packets import Packet, Vp8Sender

SSRC = 1111


class Wire:
    """A receiver, and what it said."""

    def __init__(self) -> None:
        self.said: list[AnyRtcpPacket] = []
        self.receiver = MediaReceiver(
            "vp8", 97, MediaClock().connection(), lambda data: self.said.extend(RtcpPacket.parse(data)), ssrc=1
        )

    def take(self, packet: Packet, now: float, *, ssrc: int = SSRC, payload_type: int = 97) -> list[EncodedFrame]:
        rtp = RtpPacket(
            payload_type=payload_type,
            marker=int(packet.marker),
            sequence_number=packet.sequence,
            timestamp=packet.timestamp,
            ssrc=ssrc,
            payload=packet.payload,
        )
        return self.receiver.rtp(rtp.serialize(), now)

    def heard(self) -> list[AnyRtcpPacket]:
        said, self.said = self.said, []
        return said


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def sender() -> Vp8Sender:
    return Vp8Sender()


def test_frames_have_media_time(wire: Wire, sender: Vp8Sender) -> None:
    frames = []
    for number in range(3):
        for packet in sender.frame(2, keyframe=number == 0).packets:
            frames += wire.take(packet, 10 + number / 15)
    assert [frame.media_time_s for frame in frames] == pytest.approx([0, 1 / 15, 2 / 15])
    assert wire.heard() == []


def test_a_keyframe_is_asked_for_at_the_start(wire: Wire, sender: Vp8Sender) -> None:
    wire.take(sender.frame(1).packets[0], 0.0)
    (request,) = wire.heard()
    assert isinstance(request, RtcpPsfbPacket)
    assert (request.fmt, request.media_ssrc) == (RTCP_PSFB_PLI, SSRC)
    assert wire.receiver.needs_timer
    wire.receiver.advance(0.31)
    assert len(wire.heard()) == 1
    for packet in sender.frame(2, keyframe=True).packets:
        wire.take(packet, 0.4)
    assert not wire.receiver.needs_timer


def test_a_missing_packet_is_asked_for(wire: Wire, sender: Vp8Sender) -> None:
    wire.take(sender.frame(1, keyframe=True).packets[0], 0.0)
    frame = sender.frame(3)
    wire.take(frame.packets[0], 0.0)
    wire.take(frame.packets[2], 0.0)
    (request,) = wire.heard()
    assert isinstance(request, RtcpRtpfbPacket)
    assert (request.media_ssrc, request.lost) == (SSRC, [frame.packets[1].sequence])


def test_packets_missing_where_their_numbers_begin_again_are_asked_for(wire: Wire, sender: Vp8Sender) -> None:
    wire.take(sender.frame(1, keyframe=True).packets[0], 0.0)
    *lost, last = sender.frame(30).packets
    wire.heard()
    wire.take(last, 0.1)
    wire.receiver.advance(0.11)
    asked = {number for said in wire.heard() if isinstance(said, RtcpRtpfbPacket) for number in said.lost}
    assert {number & 0xFFFF for number in asked} == {packet.sequence for packet in lost} >= {0xFFFF, 0}


def test_a_keyframe_can_be_asked_for(wire: Wire, sender: Vp8Sender) -> None:
    wire.receiver.request_keyframe(0.0)
    assert wire.heard() == []
    wire.take(sender.frame(1, keyframe=True).packets[0], 0.0)
    wire.receiver.request_keyframe(0.1)
    (request,) = wire.heard()
    assert isinstance(request, RtcpPsfbPacket)


def test_a_report_tells_of_loss_and_of_the_most_that_may_be_sent(wire: Wire, sender: Vp8Sender) -> None:
    wire.receiver.report(0.0, 300)
    assert wire.heard() == []
    for number in range(10):
        frame = sender.frame(4, keyframe=number == 0)
        for packet in frame.packets[: 3 if number else 4]:
            wire.take(packet, number / 15)
    report = RtcpSrPacket(ssrc=SSRC, sender_info=RtcpSenderInfo(0x0123_4567_89AB_CDEF, 0, 0, 0))
    wire.receiver.rtcp(bytes(report), 0.5)
    wire.heard()
    wire.receiver.report(1.0, max_bitrate_kbps=300)
    answer, cap = wire.heard()
    assert isinstance(answer, RtcpRrPacket)
    (block,) = answer.reports
    assert (block.ssrc, block.packets_lost, block.lsr, block.dlsr) == (SSRC, 8, 0x4567_89AB, 32_768)
    assert block.fraction_lost == (8 << 8) // 39
    assert isinstance(cap, RtcpPsfbPacket)
    assert cap.fmt == RTCP_PSFB_APP
    bitrate, ssrcs = unpack_remb_fci(cap.fci)
    assert ssrcs == [SSRC]
    assert 0.99 * 300_000 < bitrate <= 300_000
    wire.receiver.report(2.0, 300)
    again = wire.heard()[0]
    assert isinstance(again, RtcpRrPacket)
    assert again.reports[0].fraction_lost == 0


def test_another_stream_takes_over_once_the_first_is_silent(wire: Wire, sender: Vp8Sender) -> None:
    other = Vp8Sender(sequence=100, timestamp=5)
    assert wire.take(sender.frame(1, keyframe=True).packets[0], 0.0)
    assert wire.take(other.frame(1, keyframe=True).packets[0], 0.5, ssrc=2222) == []
    assert wire.take(other.frame(1, keyframe=True).packets[0], STREAM_IDLE_S, ssrc=2222)
    assert wire.take(sender.frame(1, keyframe=True).packets[0], STREAM_IDLE_S) == []


def test_another_payload_type_is_not_heard(wire: Wire, sender: Vp8Sender) -> None:
    assert wire.take(sender.frame(1, keyframe=True).packets[0], 0.0, payload_type=98) == []


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x80\xc8\x00\x01" + bytes(4), b"\xa1\xc9\x00\x01" + bytes(4)])
def test_nonsense_in_rtcp_is_ignored(wire: Wire, data: bytes) -> None:
    wire.receiver.rtcp(data, 0.0)
    assert wire.receiver.rtp(data, 0.0) == []

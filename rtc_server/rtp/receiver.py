"""Receives one peer's video: authenticated RTP packets come in, frames and RTCP for the sender go out."""

from collections.abc import Callable
from dataclasses import dataclass

from rtc_server.frame import Codec, EncodedFrame
from rtc_server.rtp.frame_assembler import FrameAssembler
from rtc_server.rtp.media_clock import ConnectionClock
from rtc_server.rtp.packet import parse_header
from rtc_server.rtp.packet_counts import PacketCounts
from rtc_server.rtp.partial_frame import AssembledFrame
from rtc_server.rtp.rtcp import (
    ReportBlock,
    maximum_bitrate,
    negative_acknowledgement,
    picture_loss_indication,
    receiver_report,
    sender_reports,
)

STREAM_IDLE_S = 1.0
"""A new SSRC is accepted once the old one has sent nothing for so long."""


@dataclass(slots=True)
class _Stream:
    ssrc: int
    assembler: FrameAssembler
    first_sequence: int
    heard: float
    received: int = 0
    expected_before: int = 0
    received_before: int = 0
    report: int = 0
    """Middle 32 bits of the NTP time in the last sender report; 0 if there was none."""
    reported: float = 0.0


class MediaReceiver:
    """Pure except for `send`: time comes in as an argument."""

    def __init__(
        self,
        codec: Codec,
        payload_type: int,
        clock: ConnectionClock,
        send: Callable[[bytes], None],
        ssrc: int,
        counts: PacketCounts | None = None,
    ) -> None:
        """send: takes an RTCP packet. ssrc: our own, for these packets. counts: to be added to."""
        self._counts = counts or PacketCounts()
        self._codec = codec
        self._payload_type = payload_type
        self._clock = clock
        self._send = send
        self._ssrc = ssrc
        self._stream: _Stream | None = None

    @property
    def needs_timer(self) -> bool:
        """True while `advance` should be called every few milliseconds."""
        return self._stream is not None and self._stream.assembler.needs_timer

    def rtp(self, packet: bytes, now: float) -> list[EncodedFrame]:
        """Take one decrypted packet; returns the frames that it completes."""
        header = parse_header(packet)
        if header is None:
            return []
        ssrc, payload_type, marker, sequence, timestamp, payload = header
        if payload_type != self._payload_type:
            return []
        stream = self._stream
        if stream is None or stream.ssrc != ssrc:
            stream = self._switch(ssrc, sequence, now)
            if stream is None:
                return []
        stream.heard = now
        stream.received += 1
        self._counts.received += 1
        frames = stream.assembler.push(sequence, timestamp, marker, payload, now)
        if stream.assembler.needs_timer:
            self._give_feedback(stream, now)
        return self._stamped(frames) if frames else []

    def rtcp(self, packet: bytes, now: float) -> None:
        """Take one decrypted compound packet."""
        stream = self._stream
        for report in sender_reports(packet):
            if stream is not None and report.ssrc == stream.ssrc:
                stream.report, stream.reported = report.ntp_middle, now

    def advance(self, now: float) -> list[EncodedFrame]:
        """Repeat requests and give up old gaps; returns the frames that no longer wait for them."""
        if self._stream is None:
            return []
        frames = self._stream.assembler.advance(now)
        self._give_feedback(self._stream, now)
        return self._stamped(frames)

    def request_keyframe(self, now: float) -> None:
        """Ask for a keyframe: at the start, or because the decoder cannot go on."""
        if self._stream is not None:
            self._stream.assembler.wait_for_keyframe()
            self._give_feedback(self._stream, now)

    def report(self, now: float, max_bitrate_kbps: int) -> None:
        """Send a receiver report and the maximum bitrate (REMB). To be called about once a second."""
        stream = self._stream
        if stream is None or stream.assembler.highest_sequence is None:
            return
        expected = max(1, stream.assembler.highest_sequence - stream.first_sequence + 1)
        expected_since = expected - stream.expected_before
        lost_since = expected_since - (stream.received - stream.received_before)
        stream.expected_before, stream.received_before = expected, stream.received
        block = ReportBlock(
            ssrc=stream.ssrc,
            fraction_lost=min(255, (lost_since << 8) // expected_since) if expected_since > 0 < lost_since else 0,
            packets_lost=expected - stream.received,
            highest_sequence=stream.assembler.highest_sequence,
            last_sender_report=stream.report,
            delay_since_last_sender_report=int((now - stream.reported) * 65536) if stream.report else 0,
        )
        self._send(
            receiver_report(self._ssrc, block) + maximum_bitrate(self._ssrc, stream.ssrc, 1000 * max_bitrate_kbps)
        )

    def _switch(self, ssrc: int, sequence: int, now: float) -> _Stream | None:
        if self._stream is not None and now - self._stream.heard < STREAM_IDLE_S:
            return None
        assembler = FrameAssembler(self._codec, self._counts)
        self._stream = _Stream(ssrc, assembler, first_sequence=sequence + 0x10000, heard=now)
        return self._stream

    def _stamped(self, frames: list[AssembledFrame]) -> list[EncodedFrame]:
        """The frames with their media time, in the order of delivery."""
        return [
            EncodedFrame(
                data=frame.data,
                keyframe=frame.keyframe,
                rtp_timestamp=frame.rtp_timestamp,
                media_time_s=self._clock.at(frame.rtp_timestamp, frame.arrived),
                arrived=frame.arrived,
                layer=frame.layer,
            )
            for frame in frames
        ]

    def _give_feedback(self, stream: _Stream, now: float) -> None:
        feedback = stream.assembler.feedback(now)
        if feedback is None:
            return
        if feedback.missing:
            self._send(negative_acknowledgement(self._ssrc, stream.ssrc, feedback.missing))
        if feedback.keyframe:
            self._send(picture_loss_indication(self._ssrc, stream.ssrc))

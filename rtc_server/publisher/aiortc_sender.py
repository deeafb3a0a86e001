"""Hooks into private parts of aiortc 1.16's sender. Each has a test that fails when aiortc changes."""

import time
from collections.abc import Callable

import av
from aiortc import RTCRtpSender
from aiortc.codecs.vpx import Vp8Encoder, VpxPayloadDescriptor
from aiortc.rtp import RTP_HISTORY_SIZE

from rtc_server.frame import TemporalLayer

_RTP_HEADER_BYTES = 12


def on_frame_sent(sender: RTCRtpSender, sent: Callable[[int], None]) -> None:
    """Calls `sent` with a frame's RTP timestamp when its last packet (the marker) was given to the socket.

    Packets that are sent again do not count. Call it before the sender starts.
    """
    transport = sender.transport
    send = transport._send_rtp
    ssrc = sender._ssrc.to_bytes(4, "big")
    newest: int | None = None

    async def send_and_tell(data: bytes) -> None:
        nonlocal newest
        await send(data)
        # RTCP packets (types 200 to 207) have the marker's bit set too, but no dynamic payload type.
        if len(data) > _RTP_HEADER_BYTES and data[1] >= 0x80 | 96 and data[8:12] == ssrc:
            timestamp = int.from_bytes(data[4:8], "big")
            if newest is None or 0 < (timestamp - newest) & 0xFFFFFFFF < 0x80000000:
                newest = timestamp
                sent(timestamp)

    transport._send_rtp = send_and_tell  # type: ignore[method-assign]


def on_keyframe_requested(sender: RTCRtpSender, requested: Callable[[], None]) -> None:
    """Calls `requested` at each PLI and FIR. aiortc itself reacts to them only if it encodes the video."""
    sender._send_keyframe = requested  # type: ignore[method-assign]


def send_again_as_browsers_do(sender: RTCRtpSender, now: Callable[[], float] = time.monotonic) -> None:
    """Sends a packet again at most once in a round trip: of two requests in quick succession one is answered."""
    again = sender._retransmit
    sent_again: dict[int, float] = {}

    async def send_again(sequence: int) -> None:
        at = now()
        round_trip_s = sender._RTCRtpSender__rtt or 0.0  # type: ignore[attr-defined]
        last = sent_again.pop(sequence, None)
        if last is not None and at - last < round_trip_s:
            sent_again[sequence] = last
            return
        sent_again[sequence] = at
        if len(sent_again) > RTP_HISTORY_SIZE:
            del sent_again[next(iter(sent_again))]
        await again(sequence)

    sender._retransmit = send_again  # type: ignore[method-assign, assignment]


def name_temporal_layers(sender: RTCRtpSender) -> None:
    """Says in each VP8 packet of which temporal layer it is, where its track's `av.Packet` has one as its `opaque`."""
    sender._RTCRtpSender__encoder = _LayerNaming()  # type: ignore[attr-defined]


class _LayerNaming(Vp8Encoder):
    def pack(self, packet: "av.Packet[av.stream.Stream]") -> tuple[list[bytes], int]:
        payloads, timestamp = super().pack(packet)
        layer = packet.opaque
        if not isinstance(layer, TemporalLayer):
            return payloads, timestamp
        named = []
        for payload in payloads:
            descriptor, data = VpxPayloadDescriptor.parse(payload)
            descriptor.tid = (layer.index, int(layer.synchronised))
            named.append(bytes(descriptor) + data)
        return named, timestamp

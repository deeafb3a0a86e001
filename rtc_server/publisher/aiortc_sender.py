"""What aiortc 1.16's sender knows and has no public word for. Each hook has a test that fails when upstream changes."""

from collections.abc import Callable

from aiortc import RTCRtpSender

_RTP_HEADER_BYTES = 12


def on_frame_sent(sender: RTCRtpSender, sent: Callable[[int], None]) -> None:
    """Calls `sent` with a frame's RTP timestamp when its last packet (the marker) has left for the socket.

    Retransmissions do not count. To be called before the sender starts.
    """
    transport = sender.transport
    send = transport._send_rtp
    ssrc = sender._ssrc.to_bytes(4, "big")

    async def send_and_tell(data: bytes) -> None:
        await send(data)
        # RTCP's packet types, 200 to 207, have the marker's bit set too, but no dynamic payload type.
        if len(data) > _RTP_HEADER_BYTES and data[1] >= 0x80 | 96 and data[8:12] == ssrc:
            sent(int.from_bytes(data[4:8], "big"))

    transport._send_rtp = send_and_tell  # type: ignore[method-assign]


def on_keyframe_requested(sender: RTCRtpSender, requested: Callable[[], None]) -> None:
    """Calls `requested` at each PLI and FIR. aiortc itself answers them only where it encodes."""
    sender._send_keyframe = requested  # type: ignore[method-assign]

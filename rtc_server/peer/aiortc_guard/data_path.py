"""A short way for data-channel messages, there and back: the same SCTP and DTLS, without a task for each.

aiortc starts a task to send and wakes one to receive, though nothing on the way waits for anything. An
update and its acknowledgement cost half as much when its coroutines are run to their end in one go.
"""

from collections.abc import Coroutine
from typing import Any

from aiortc import RTCDataChannel, RTCDtlsTransport
from aiortc.rtcdtlstransport import State
from aiortc.rtcsctptransport import WEBRTC_STRING, RTCSctpTransport
from OpenSSL import SSL

MAX_RECORD_BYTES = 1500


class Suspended(RuntimeError):
    """A coroutine that never waited has begun to: upstream changed."""


def run_to_end(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that does not wait for anything. Raises Suspended if it does."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise Suspended("a coroutine of aiortc has begun to wait")


def receive_record(dtls: RTCDtlsTransport, datagram: bytes) -> bool:
    """Take a DTLS datagram at once. False where aiortc's own task must have it: before the handshake's end."""
    if dtls._state != State.CONNECTED or not dtls._RTCDtlsTransport__handshake_done:  # type: ignore[attr-defined]
        return False
    ssl, receiver = dtls._ssl, dtls._data_receiver
    assert ssl is not None
    ssl.bio_write(datagram)
    try:
        message = ssl.recv(MAX_RECORD_BYTES)
    except SSL.ZeroReturnError:
        raise ConnectionError("the client closed the connection") from None
    except SSL.Error:
        # No message: perhaps a retransmitted handshake, which is answered.
        run_to_end(dtls._write_ssl())
        return True
    if message and receiver is not None:
        run_to_end(receiver._handle_data(message))
    return True


def send_now(channel: RTCDataChannel, text: str) -> bool:
    """Send a message at once, if nothing is waiting to be sent and the client keeps up; else nothing happens."""
    sctp: RTCSctpTransport = channel.transport
    if (
        sctp._association_state != RTCSctpTransport.State.ESTABLISHED
        or sctp._data_channel_queue
        or sctp._outbound_queue
        or sctp._flight_size >= sctp._cwnd
    ):
        return False
    assert channel.id is not None
    run_to_end(
        sctp._send(
            channel.id,
            WEBRTC_STRING,
            text.encode(),
            max_retransmits=channel.maxRetransmits,
            ordered=channel.ordered,
        )
    )
    return True

"""A short way for data-channel messages, there and back: the same SCTP and DTLS, without a task for each.

It is aiortc's own way: its coroutines never wait for anything on it, and are run to their end in one go.
"""

from collections.abc import Coroutine
from typing import Any

from aiortc import RTCDataChannel, RTCDtlsTransport
from aiortc.rtcdtlstransport import State
from aiortc.rtcsctptransport import USERDATA_MAX_LENGTH, WEBRTC_STRING, RTCSctpTransport
from OpenSSL import SSL

from rtc_server.transport.encryption import unseal

MAX_ON_ITS_WAY_BYTES = 16 * 1024
"""Of updates, which are not sent again and come no faster for it: a second and a half of them. SCTP's own window
shrinks to two of them after a second without an answer, and then each outage of three stops all for another second."""


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
    """Take a DTLS datagram at once. False where aiortc's own task must have it: before the handshake's end.

    Raises ConnectionError where the connection has ended, or must.
    """
    if dtls._state is not State.CONNECTED or not dtls._RTCDtlsTransport__handshake_done:  # type: ignore[attr-defined]
        return False
    ssl, sctp = dtls._ssl, dtls._data_receiver
    assert ssl is not None
    try:
        packets = unseal(ssl, datagram)
    except SSL.ZeroReturnError:
        raise ConnectionError("the client closed the connection") from None
    except SSL.Error as error:
        raise ConnectionError("DTLS failed") from error
    if not packets:
        # Perhaps a retransmitted handshake, which is answered.
        run_to_end(dtls._write_ssl())
    elif isinstance(sctp, RTCSctpTransport):
        for packet in packets:
            run_to_end(sctp._handle_data(packet))
    return True


class ChannelSender:
    """Sends on one data channel, of which all that does not change is asked only once."""

    def __init__(self, channel: RTCDataChannel) -> None:
        """channel: one that the client opened."""
        assert channel.id is not None
        self._sctp = channel.transport
        self._stream_id = channel.id
        self._ordered = channel.ordered
        self._max_retransmits = channel.maxRetransmits

    def send_now(self, text: str) -> bool:
        """Send a message at once, if nothing is waiting to be sent and the client keeps up; else nothing happens.

        Raises ConnectionError where the connection has ended.
        """
        sctp, window = self._sctp, self._sctp._cwnd
        message = text.encode()
        passing = not self._ordered and self._max_retransmits == 0 and len(message) <= USERDATA_MAX_LENGTH
        room = MAX_ON_ITS_WAY_BYTES if passing else window
        if (
            sctp._association_state is not RTCSctpTransport.State.ESTABLISHED
            or sctp._data_channel_queue
            or sctp._outbound_queue
            or sctp._flight_size >= room
        ):
            return False
        sctp._cwnd = max(room, window)
        try:
            run_to_end(
                sctp._send(
                    *(self._stream_id, WEBRTC_STRING, message),
                    max_retransmits=self._max_retransmits,
                    ordered=self._ordered,
                )
            )
        finally:
            sctp._cwnd = window
        return True

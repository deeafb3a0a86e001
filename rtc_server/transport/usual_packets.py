"""The two SCTP packets that a live connection exchanges all the time: an update, and its acknowledgement.

Both change aiortc's association just as its own code would, which the tests run beside them, and take less than half
the bytecodes for it.
"""

import time
from struct import Struct

from aiortc.rtcdtlstransport import State
from aiortc.rtcsctptransport import (
    SCTP_DATA_FIRST_FRAG,
    SCTP_DATA_LAST_FRAG,
    SCTP_DATA_UNORDERED,
    WEBRTC_STRING,
    DataChunk,
    RTCSctpTransport,
)
from google_crc32c import value as crc32c

from rtc_server.transport.encryption import seal
from rtc_server.transport.send_datagram import send_datagram

# The common header (RFC 9260, 3.1) and a first chunk. The checksum, of the packet with zeros in its place, is added.
_DATA = Struct("!HHL4xBBHLHHL")
"""Ports, verification tag; type, flags, length, TSN, stream, number in it, protocol; the message follows."""
_SACK = Struct("!4xL4xLL4xL")
"""Verification tag; type, flags and length in one, the last TSN of those received; counts of gaps and duplicates."""
_SACK_ALONE = 3 << 24 | 16
_CHECKSUM_AT, _CHECKSUM_END = 8, 12
_COMMON_HEADER_BYTES = 12


class SentMessage(DataChunk):
    """A whole message that needs no order, as aiortc has it in its books once it was sent."""

    flags = SCTP_DATA_UNORDERED | SCTP_DATA_FIRST_FRAG | SCTP_DATA_LAST_FRAG
    stream_seq = 0
    protocol = WEBRTC_STRING
    _abandoned = _acked = _retransmit = False
    _expiry = None
    _in_flight = True
    _misses = 0
    _sent_count = 1

    def __init__(self, tsn: int, stream_id: int, message: bytes, max_retransmits: int | None) -> None:
        self.tsn = tsn
        self.stream_id = stream_id
        self.user_data = message
        self._book_size = len(message)
        self._max_retransmits = max_retransmits
        self._sent_time = time.time()


def send_message(sctp: RTCSctpTransport, stream_id: int, message: bytes, max_retransmits: int | None) -> None:
    """As RTCSctpTransport._send without order, where nothing waits and `message` fits into a packet.

    Raises ConnectionError where the connection has ended.
    """
    dtls = sctp.transport
    if dtls._state is not State.CONNECTED:
        raise ConnectionError("the connection has ended")
    assert dtls._ssl is not None
    sent = SentMessage(sctp._local_tsn, stream_id, message, max_retransmits)
    sctp._local_tsn = sent.tsn + 1 & 0xFFFFFFFF
    sctp._sent_queue.append(sent)
    sctp._flight_size += sent._book_size
    size = _DATA.size - _COMMON_HEADER_BYTES + sent._book_size
    packet = b"%b%b%b" % (
        _DATA.pack(
            *(sctp._local_port, sctp._remote_port, sctp._remote_verification_tag),
            *(sent.type, sent.flags, size, sent.tsn, stream_id, sent.stream_seq, sent.protocol),
        ),
        message,
        bytes(-size & 3),
    )
    packet = packet[:_CHECKSUM_AT] + crc32c(packet).to_bytes(4, "little") + packet[_CHECKSUM_END:]
    send_datagram(dtls.transport._connection, seal(dtls._ssl, packet))
    if sctp._t3_handle is None:
        sctp._t3_start()


def acknowledge(sctp: RTCSctpTransport, packet: bytes) -> bool:
    """Take the usual acknowledgement: of the oldest of what is on its way, where nothing is lost and nothing waits.

    As RTCSctpTransport._handle_data. False for any other packet, which changes nothing here.
    """
    sent = sctp._sent_queue
    if len(packet) != _SACK.size or not sent or not _is_calm(sctp):
        return False
    tag, kind, tsn, gaps_and_duplicates = _SACK.unpack(packet)
    count = tsn - sctp._last_sacked_tsn & 0xFFFFFFFF
    if (
        kind != _SACK_ALONE
        or gaps_and_duplicates
        or tag != sctp._local_verification_tag
        or not 0 < count <= len(sent)
        or sent[count - 1].tsn != tsn
    ):
        return False
    summed = packet[:_CHECKSUM_AT] + bytes(4) + packet[_CHECKSUM_END:]
    if packet[_CHECKSUM_AT:_CHECKSUM_END] != crc32c(summed).to_bytes(4, "little"):
        return False
    oldest = sent[0]
    for _ in range(count):
        sctp._flight_size -= sent.popleft()._book_size
    sctp._last_sacked_tsn = sctp._advanced_peer_ack_tsn = tsn
    assert oldest._sent_time is not None
    sctp._update_rto(time.time() - oldest._sent_time)
    if sent:
        sctp._t3_restart()
    else:
        sctp._t3_cancel()
    return True


def _is_calm(sctp: RTCSctpTransport) -> bool:
    """Nothing was lost or sent twice, and nothing waits for what an acknowledgement would set free."""
    if (
        sctp._outbound_queue
        or sctp._data_channel_queue
        or sctp._reconfig_queue
        or sctp._forward_tsn_streams
        or sctp._forward_tsn_chunk is not None
        or sctp._fast_recovery_exit is not None
        or sctp._advanced_peer_ack_tsn != sctp._last_sacked_tsn
        or sctp._flight_size >= sctp._cwnd
    ):
        return False
    for chunk in sctp._sent_queue:  # noqa: SIM110 -- a generator would cost as much as all the rest
        if chunk._sent_count != 1 or not chunk._in_flight:
            return False
    return True

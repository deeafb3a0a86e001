"""What a client may do to the SCTP association: bounded work for each packet, bounded memory in all."""

import logging
import time
from collections.abc import Callable, Iterator

from aiortc import RTCSctpTransport, rtcsctptransport
from aiortc.rtcsctptransport import Chunk, ReconfigChunk

from rtc_server.token_bucket import TokenBucket

MAX_GAP_SPAN = 1024
"""Sequence numbers that a SACK's gap blocks may cover together; aiortc visits each. Fewer messages than that are ever
on their way to a client: the updates are bounded (`data_path`), and so is what waits on `control`."""
MAX_HELD_BYTES = 64 * 1024
"""Of messages whose other fragments are still to come. The longest message that is heard has 4 KiB."""
MAX_HELD_CHUNKS = 256
"""Of the same; aiortc visits each for each that comes, and one without a byte is held too."""
MAX_MISORDERED = 256
"""Received packets behind a missing one; aiortc sorts them for each that comes. A client says five things a second."""
MAX_STREAMS = 64
"""aiortc visits each at a FORWARD TSN. A client uses two."""
MAX_CHANNELS = 16
"""Data channels at once. Two are kept; the server closes the others. That takes two re-configurations of the client's,
so how many come one after the other is bounded too."""
MAX_CONTROL_CHUNKS = 4
"""In one packet, beside its DATA. Browsers bundle two or three, such as a SACK with a FORWARD TSN."""
MAX_DATA_CHUNKS = 64
"""In one packet. One with a byte in it takes 20, so a full packet holds 60 of them."""
MAX_ANSWERED_CHUNKS = 1
"""In one packet, of the kinds that are each answered with a packet."""
MAX_RECONFIG_PARAMETERS = 2
"""In one RE-CONFIG chunk (RFC 6525, 3.1). aiortc answers each."""
CHUNKS_PER_S, CHUNKS_BURST = 150.0, 450.0
"""A client acknowledges 15 updates a second and says five things. The burst is the chunks of several full packets:
what is dropped is sent again, in the same packet."""
ANSWERED_PER_S, ANSWERED_BURST = 2.0, 40.0
"""A heartbeat comes once in 30 seconds; the burst is a handshake on a bad network, or all channels that close."""

_COMMON_HEADER_BYTES = 12
_CHUNK_HEADER_BYTES = 4
_PARAMETER_HEADER_BYTES = 4
_DATA, _INIT, _SACK, _HEARTBEAT, _SHUTDOWN, _COOKIE_ECHO, _RECONFIG = 0, 1, 3, 4, 7, 10, 130
_ANSWERED = frozenset((_INIT, _HEARTBEAT, _SHUTDOWN, _COOKIE_ECHO, _RECONFIG))

logger = logging.getLogger(__name__)

_decode_params = rtcsctptransport.decode_params


def _decode_sound_params(body: bytes) -> list[tuple[int, bytes]]:
    """Raises ValueError for a parameter shorter than its own header (RFC 9260, 3.2.1), which drops the packet.

    aiortc does not get past one whose length is 0: the server would stand still, and its memory fill up.
    """
    position = 0
    while position <= len(body) - _PARAMETER_HEADER_BYTES:
        length = int.from_bytes(body[position + 2 : position + 4], "big")
        if length < _PARAMETER_HEADER_BYTES:
            raise ValueError("an SCTP parameter is shorter than its header")
        position += length + 3 & ~3
    return _decode_params(body)


rtcsctptransport.decode_params = _decode_sound_params


class ChunkAllowance:
    """Which packets of one client are worth reading: few chunks in each, and so many a second. Pure."""

    def __init__(self) -> None:
        self._chunks = TokenBucket(CHUNKS_PER_S, CHUNKS_BURST)
        self._answered = TokenBucket(ANSWERED_PER_S, ANSWERED_BURST)

    def take(self, packet: bytes, now: float) -> bool:
        """False for an SCTP packet that is to be dropped. A client that means well sends it again, in time."""
        data = control = answered = 0
        for position, _ in _chunks(packet):
            kind = packet[position]
            data += kind == _DATA
            control += kind != _DATA
            answered += kind in _ANSWERED
            # Not read to its end: a packet has room for 370 chunks.
            if data > MAX_DATA_CHUNKS or control > MAX_CONTROL_CHUNKS or answered > MAX_ANSWERED_CHUNKS:
                return False
        return (
            gap_span(packet) <= MAX_GAP_SPAN
            and self._chunks.take(now, data + control)
            and (not answered or self._answered.take(now))
        )


def guard_data(sctp: RTCSctpTransport, on_abuse: Callable[[], None], now: Callable[[], float] = time.monotonic) -> None:
    """Set bounds to what `sctp` takes. `on_abuse` is called, once, when a client goes past those of memory."""
    handle, receive = sctp._handle_data, sctp._receive_chunk
    window = sctp._advertised_rwnd
    allowance = ChunkAllowance()
    abused = False

    async def bounded(data: bytes) -> None:
        nonlocal abused
        if abused or not allowance.take(data, now()):
            return
        try:
            await handle(data)
        except ConnectionError:
            raise
        except Exception:
            # aiortc asserts what a client may send otherwise, such as text that is no UTF-8.
            logger.debug("an SCTP packet was dropped", exc_info=True)
        if (
            window - sctp._advertised_rwnd > MAX_HELD_BYTES
            or sum([len(stream.reassembly) for stream in sctp._inbound_streams.values()]) > MAX_HELD_CHUNKS
            or len(sctp._sack_misordered) > MAX_MISORDERED
            or len(sctp._inbound_streams) > MAX_STREAMS
            or len(sctp._data_channels) > MAX_CHANNELS
        ):
            abused = True
            on_abuse()

    async def receive_shortened(chunk: Chunk) -> None:
        if isinstance(chunk, ReconfigChunk):
            del chunk.params[MAX_RECONFIG_PARAMETERS:]
        await receive(chunk)

    sctp._handle_data = bounded  # type: ignore[method-assign]
    sctp._receive_chunk = receive_shortened  # type: ignore[method-assign]


def gap_span(packet: bytes) -> int:
    """How many sequence numbers the gap blocks of a packet's SACKs cover (RFC 9260, 3.3.4)."""
    return sum(end - start + 1 for start, end in _gap_blocks(packet) if end >= start)


def _gap_blocks(packet: bytes) -> Iterator[tuple[int, int]]:
    for position, _ in _chunks(packet):
        if packet[position] == _SACK and position + 16 <= len(packet):
            count = int.from_bytes(packet[position + 12 : position + 14], "big")
            blocks = packet[position + 16 : position + 16 + 4 * count]
            for offset in range(0, len(blocks) - 3, 4):
                yield (
                    int.from_bytes(blocks[offset : offset + 2], "big"),
                    int.from_bytes(blocks[offset + 2 : offset + 4], "big"),
                )


def _chunks(packet: bytes) -> Iterator[tuple[int, int]]:
    """Where each chunk of a packet begins, and its length (RFC 9260, 3.2), as aiortc would read them."""
    position = _COMMON_HEADER_BYTES
    while position + _CHUNK_HEADER_BYTES <= len(packet):
        length = int.from_bytes(packet[position + 2 : position + 4], "big")
        yield position, length
        position += max(_CHUNK_HEADER_BYTES, length + 3 & ~3)

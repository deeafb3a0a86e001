"""What a client may do to the SCTP association: bounded work for each packet, bounded memory in all."""

import logging
from collections.abc import Callable, Iterator

from aiortc import RTCSctpTransport, rtcsctptransport

MAX_GAP_SPAN = 4096
"""Sequence numbers that a SACK's gap blocks may cover together; aiortc visits each (up to a second a packet)."""
MAX_HELD_BYTES = 64 * 1024
"""Of messages whose other fragments are still to come."""
MAX_MISORDERED = 256
MAX_STREAMS = 64
MAX_CHANNELS = 16

_COMMON_HEADER_BYTES = 12
_SHORTEST_WITH_GAP_BYTES = _COMMON_HEADER_BYTES + 20
_PARAMETER_HEADER_BYTES = 4
_SACK = 3

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


def guard_data(sctp: RTCSctpTransport, on_abuse: Callable[[], None]) -> None:
    """Set bounds to what `sctp` takes. `on_abuse` is called when a client goes past them."""
    handle = sctp._handle_data
    window = sctp._advertised_rwnd

    abused = False

    async def bounded(data: bytes) -> None:
        nonlocal abused
        if abused or gap_span(data) > MAX_GAP_SPAN:
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
            or len(sctp._sack_misordered) > MAX_MISORDERED
            or len(sctp._inbound_streams) > MAX_STREAMS
            or len(sctp._data_channels) > MAX_CHANNELS
        ):
            abused = True
            on_abuse()

    sctp._handle_data = bounded  # type: ignore[method-assign]


def gap_span(packet: bytes) -> int:
    """How many sequence numbers the gap blocks of a packet's SACKs cover (RFC 9260, 3.3.4)."""
    if len(packet) < _SHORTEST_WITH_GAP_BYTES:
        return 0
    return sum(end - start + 1 for start, end in _gap_blocks(packet) if end >= start)


def _gap_blocks(packet: bytes) -> Iterator[tuple[int, int]]:
    position = _COMMON_HEADER_BYTES
    while position + 4 <= len(packet):
        length = int.from_bytes(packet[position + 2 : position + 4], "big")
        if packet[position] == _SACK and position + 16 <= len(packet):
            count = int.from_bytes(packet[position + 12 : position + 14], "big")
            blocks = packet[position + 16 : position + 16 + 4 * count]
            for offset in range(0, len(blocks) - 3, 4):
                yield (
                    int.from_bytes(blocks[offset : offset + 2], "big"),
                    int.from_bytes(blocks[offset + 2 : offset + 4], "big"),
                )
        position += max(4, length + 3 & ~3)

"""RTP packets and their payloads (RFC 3550, RFC 7741 for VP8, RFC 6184 for H.264)."""

from dataclasses import dataclass
from struct import Struct

from rtc_server.frame import BASE_LAYER, Codec, TemporalLayer

MAX_UNITS = 32
"""Most units in one STAP-A. Senders put a few parameter sets and slices in it; four hundred would fit."""

_HEADER = Struct("!BBHLL")
_ANNEX_B_START = b"\x00\x00\x00\x01"
_LAYERS = tuple(TemporalLayer(bits >> 1, synchronised=bool(bits & 1)) for bits in range(8))
"""By the three bits that say so (TID, Y)."""


@dataclass(slots=True)
class Payload:
    """What one packet's payload adds to a frame."""

    data: bytes
    starts_frame: bool
    """Whether this can be the first packet of a frame. With H.264 it can be any packet that starts a slice."""
    starts_keyframe: bool
    picture_id: int | None = None
    """Number of the frame; VP8 only."""
    picture_id_bits: int = 15
    layer: TemporalLayer = BASE_LAYER


class PayloadMalformed(ValueError):
    """The payload does not have the form that its codec requires."""


def parse_header(packet: bytes) -> tuple[int, int, bool, int, int, bytes] | None:
    """(ssrc, payload type, marker, sequence number, timestamp, payload); None if it is not an RTP packet."""
    size = len(packet)
    if size < 12:
        return None
    first, second, sequence_number, timestamp, ssrc = _HEADER.unpack_from(packet)
    start = 12
    if first != 0x80:
        if first & 0xC0 != 0x80:
            return None
        start += 4 * (first & 0x0F)
        if first & 0x10:
            if size < start + 4:
                return None
            start += 4 + 4 * int.from_bytes(packet[start + 2 : start + 4], "big")
        if first & 0x20:
            size -= packet[-1] or size
        if start > size:
            return None
    return ssrc, second & 0x7F, second > 0x7F, sequence_number, timestamp, packet[start:size]


def parse_payload(codec: Codec, payload: bytes) -> Payload:
    """payload: not empty. Raises PayloadMalformed."""
    try:
        return _parse_vp8(payload) if codec == "vp8" else _parse_h264(payload)
    except IndexError:
        raise PayloadMalformed("The payload ends inside its descriptor.") from None


def _parse_vp8(payload: bytes) -> Payload:
    first = payload[0]
    position = 1
    picture_id: int | None = None
    picture_id_bits = 15
    layer = BASE_LAYER
    if first & 0x80:
        present = payload[1]
        position = 2
        if present & 0x80:
            picture_id = payload[position]
            position += 1
            if picture_id & 0x80:
                picture_id = (picture_id & 0x7F) << 8 | payload[position]
                position += 1
            else:
                picture_id_bits = 7
        if present & 0x40:
            position += 1
        if present & 0x30:
            if present & 0x20:
                layer = _LAYERS[payload[position] >> 5]
            position += 1
    starts_frame = first & 0x17 == 0x10
    # The first bit of a VP8 frame is 0 for a keyframe (RFC 6386, 9.1).
    starts_keyframe = starts_frame and not payload[position] & 1
    if position >= len(payload):
        raise PayloadMalformed("A VP8 payload has no data.")
    return Payload(payload[position:], starts_frame, starts_keyframe, picture_id, picture_id_bits, layer)


def _parse_h264(payload: bytes) -> Payload:
    kind = payload[0] & 0x1F
    if 1 <= kind <= 23:
        return Payload(_ANNEX_B_START + payload, True, kind in (5, 7))
    if kind == 24:
        return _parse_stap_a(payload)
    if kind == 28:
        header = payload[1]
        if not header & 0x80:
            return Payload(payload[2:], False, False)
        unit = payload[0] & 0xE0 | header & 0x1F
        return Payload(_ANNEX_B_START + bytes((unit,)) + payload[2:], True, header & 0x1F == 5)
    raise PayloadMalformed(f"NAL unit type {kind} is none of packetization mode 1.")


def _parse_stap_a(payload: bytes) -> Payload:
    units: list[bytes] = []
    position = 1
    while position < len(payload):
        size = int.from_bytes(payload[position : position + 2], "big")
        unit = payload[position + 2 : position + 2 + size]
        if not unit or len(unit) != size:
            raise PayloadMalformed("A unit of a STAP-A is incomplete.")
        units.append(unit)
        position += 2 + size
        if len(units) > MAX_UNITS:
            raise PayloadMalformed("A STAP-A has too many units.")
    if not units:
        raise PayloadMalformed("A STAP-A without units.")
    keyframe = any(unit[0] & 0x1F in (5, 7) for unit in units)
    return Payload(b"".join(_ANNEX_B_START + unit for unit in units), True, keyframe)

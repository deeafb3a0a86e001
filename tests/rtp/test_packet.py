"""Headers and payloads, byte by byte (RFC 3550, RFC 7741, RFC 6184)."""

import contextlib

import pytest
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import VpxPayloadDescriptor
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import HeaderExtensions, HeaderExtensionsMap, RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from rtc_server.frame import BASE_LAYER, TemporalLayer
from rtc_server.rtp.packet import PayloadMalformed, parse_header, parse_payload

START = b"\x00\x00\x00\x01"


def test_a_plain_header() -> None:
    packet = RtpPacket(
        payload_type=97, marker=1, sequence_number=65535, timestamp=2**32 - 1, ssrc=0xDEADBEEF, payload=b"payload"
    )
    assert parse_header(packet.serialize()) == (0xDEADBEEF, 97, True, 65535, 2**32 - 1, b"payload")


@pytest.mark.parametrize("payload_type", [0, 127])
@pytest.mark.parametrize("marker", [0, 1])
def test_the_marker_is_one_bit_and_the_payload_type_the_others(payload_type: int, marker: int) -> None:
    packet = RtpPacket(payload_type=payload_type, marker=marker, payload=b"payload").serialize()
    assert parse_header(packet) == (0, payload_type, bool(marker), 0, 0, b"payload")


@pytest.mark.parametrize(
    ("packet", "payload"),
    [
        (b"\x80" + bytes(11), b""),
        (b"\x81" + bytes(15) + b"after a CSRC", b"after a CSRC"),
        (b"\x90" + bytes(15), b""),
        (b"\x90" + bytes(13) + b"\x00\x01" + bytes(4) + b"after a word", b"after a word"),
        (b"\x90" + bytes(13) + b"\x01\x00" + bytes(1024) + b"after 256", b"after 256"),
        (b"\xa0" + bytes(11) + b"data\x00\x02", b"data"),
    ],
    ids=["header alone", "CSRC", "empty extension", "extension", "long extension", "padding"],
)
def test_what_stands_before_and_behind_the_payload_is_left_out(packet: bytes, payload: bytes) -> None:
    header = parse_header(packet)
    assert header is not None
    assert header[5] == payload


def test_csrcs_extensions_and_padding_are_skipped() -> None:
    packet = RtpPacket(payload_type=97, payload=b"payload")
    packet.csrc = [1, 2]
    packet.padding_size = 7
    packet.extensions = HeaderExtensions(mid="0")
    known = HeaderExtensionsMap()
    known.configure(
        RTCRtpParameters(
            headerExtensions=[RTCRtpHeaderExtensionParameters(id=1, uri="urn:ietf:params:rtp-hdrext:sdes:mid")]
        )
    )
    header = parse_header(packet.serialize(known))
    assert header is not None
    assert header[5] == b"payload"


@given(st.binary(max_size=64))
def test_any_bytes_are_a_packet_or_none(data: bytes) -> None:
    parse_header(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(11),
        b"\x40" + bytes(11),
        b"\x8f" + bytes(11),
        b"\x90" + bytes(12),
        b"\x90" + bytes(13) + b"\xff\xff",
        b"\xa0" + bytes(11),
        b"\xa0" + bytes(10) + b"\x01\x00",
        b"\xa0" + bytes(11) + b"\x05",
    ],
    ids=["empty", "short", "version", "csrc", "extension", "extension length", "padding", "no padding", "long padding"],
)
def test_what_is_cut_is_none(data: bytes) -> None:
    assert parse_header(data) is None


@pytest.mark.parametrize("picture_id", [None, 0, 127, 128, 32767])
@pytest.mark.parametrize("others", [{}, {"tl0picidx": 3}, {"tid": (1, 1)}, {"keyidx": 31}])
def test_a_vp8_descriptor(picture_id: int | None, others: dict[str, object]) -> None:
    fields = {"tl0picidx": None, "tid": None, "keyidx": None} | others
    descriptor = VpxPayloadDescriptor(partition_start=1, partition_id=0, picture_id=picture_id, **fields)
    payload = parse_payload("vp8", bytes(descriptor) + b"\x00rest")
    assert payload.data == b"\x00rest"
    assert payload.starts_frame
    assert payload.starts_keyframe
    assert payload.picture_id == picture_id
    assert payload.picture_id_bits == 15


def test_a_picture_id_of_seven_bits() -> None:
    payload = parse_payload("vp8", b"\x90\x80\x7f\x01rest")
    assert (payload.picture_id, payload.picture_id_bits, payload.data) == (127, 7, b"\x01rest")


@pytest.mark.parametrize(
    ("first", "frame", "keyframe"), [(0x10, True, True), (0x00, False, False), (0x11, False, False), (0x30, True, True)]
)
def test_where_a_vp8_frame_starts(first: int, frame: bool, keyframe: bool) -> None:
    payload = parse_payload("vp8", bytes([first, 0]))
    assert (payload.starts_frame, payload.starts_keyframe) == (frame, keyframe)


def test_a_vp8_frame_between_keyframes() -> None:
    assert not parse_payload("vp8", b"\x10\x01").starts_keyframe


@pytest.mark.parametrize("cut", [b"\x10", b"\x80", b"\x80\x80", b"\x80\x80\x81", b"\x80\xc0\x01", b"\x90\xf0\x01\x01"])
def test_a_cut_vp8_payload(cut: bytes) -> None:
    with pytest.raises(PayloadMalformed):
        parse_payload("vp8", cut)


@given(st.sampled_from(["vp8", "h264"]), st.binary(min_size=1, max_size=40))
def test_any_payload_is_parsed_or_malformed(codec: str, data: bytes) -> None:
    with contextlib.suppress(PayloadMalformed):
        parse_payload(codec, data)


def test_a_single_h264_unit() -> None:
    assert parse_payload("h264", b"\x41slice").data == START + b"\x41slice"
    assert not parse_payload("h264", b"\x41slice").starts_keyframe
    assert parse_payload("h264", b"\x65slice").starts_keyframe
    assert parse_payload("h264", b"\x67parameters").starts_keyframe


def test_aggregated_h264_units() -> None:
    units = [b"\x67sps", b"\x68pps", b"\x65slice"]
    payload = parse_payload("h264", b"\x78" + b"".join(len(u).to_bytes(2, "big") + u for u in units))
    assert payload.data == b"".join(START + unit for unit in units)
    assert payload.starts_keyframe


@pytest.mark.parametrize(("unit", "keyframe"), [(b"\x65", True), (b"\x67", True), (b"\x68", False), (b"\x41", False)])
def test_an_aggregate_starts_a_keyframe_with_a_keyframe_or_its_parameters(unit: bytes, keyframe: bool) -> None:
    payload = parse_payload("h264", b"\x78\x00\x01" + unit)
    assert payload.starts_frame
    assert payload.starts_keyframe is keyframe


@pytest.mark.parametrize("length", [255, 256, 300])
def test_a_unit_of_an_aggregate_may_be_long(length: int) -> None:
    unit = b"\x65" + bytes(length - 1)
    assert parse_payload("h264", b"\x78" + length.to_bytes(2, "big") + unit).data == START + unit


@pytest.mark.parametrize("data", [b"\x78", b"\x78\x00", b"\x78\x00\x05ab", b"\x78\x00\x00"])
def test_a_cut_aggregate(data: bytes) -> None:
    with pytest.raises(PayloadMalformed):
        parse_payload("h264", data)


def test_a_fragmented_h264_unit() -> None:
    unit = b"\x65" + bytes(range(256)) * 20
    fragments = H264Encoder._packetize_fu_a(unit)
    assert len(fragments) > 2
    payloads = [parse_payload("h264", fragment) for fragment in fragments]
    assert b"".join(payload.data for payload in payloads) == START + unit
    assert [payload.starts_frame for payload in payloads] == [True] + [False] * (len(payloads) - 1)
    assert [payload.starts_keyframe for payload in payloads] == [True] + [False] * (len(payloads) - 1)


@pytest.mark.parametrize("kind", [1, 23])
def test_the_first_and_the_last_kind_of_a_single_unit(kind: int) -> None:
    assert parse_payload("h264", bytes([kind]) + b"data").data == START + bytes([kind]) + b"data"


@pytest.mark.parametrize("importance", [0x00, 0x20, 0x60])
def test_a_fragmented_unit_keeps_its_importance(importance: int) -> None:
    payload = parse_payload("h264", bytes([importance | 28, 0x80 | 1]) + b"slice")
    assert payload.data == START + bytes([importance | 1]) + b"slice"
    assert not payload.starts_keyframe


@pytest.mark.parametrize("kind", [0, 25, 26, 27, 29, 30, 31])
def test_h264_units_of_other_modes(kind: int) -> None:
    with pytest.raises(PayloadMalformed):
        parse_payload("h264", bytes([kind]) + b"data")


@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize("synchronised", [False, True])
@pytest.mark.parametrize("others", [{}, {"picture_id": 300}, {"picture_id": 300, "tl0picidx": 7, "keyidx": 5}])
def test_a_vp8_frame_says_of_which_temporal_layer_it_is(index: int, synchronised: bool, others: dict[str, int]) -> None:
    descriptor = VpxPayloadDescriptor(1, 0, tid=(index, int(synchronised)), **others)
    parsed = parse_payload("vp8", bytes(descriptor) + b"\x01data")
    assert parsed.layer == TemporalLayer(index, synchronised=synchronised)
    assert parsed.data == b"\x01data"


def test_a_frame_that_says_nothing_of_layers_is_of_the_base() -> None:
    for descriptor in (VpxPayloadDescriptor(1, 0), VpxPayloadDescriptor(1, 0, picture_id=3, keyidx=31)):
        assert parse_payload("vp8", bytes(descriptor) + b"\x01data").layer is BASE_LAYER
    assert parse_payload("h264", b"\x41data").layer is BASE_LAYER

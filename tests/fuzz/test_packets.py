"""Datagrams: whatever comes, from whomever, no exception reaches the event loop, and nothing grows."""

import asyncio
import contextlib
import itertools
import struct
from collections.abc import Callable

from aioice import Connection, stun
from aiortc.rtcsctptransport import DataChunk, SackChunk, serialize_packet
from aiortc.rtp import RtcpPacket, RtcpReceiverInfo, RtcpRrPacket, RtcpSenderInfo, RtcpSrPacket
from hypothesis import example, given
from hypothesis import strategies as st

from rtc_server.media.frame import Codec
from rtc_server.peer.aiortc_guard.data_guard import gap_span
from rtc_server.peer.aiortc_guard.datagram_gate import MAX_REMOTE_CANDIDATES, DatagramGate
from rtc_server.peer.ice_gathering import IceGathering, gather_with
from rtc_server.peer.media_clock import MediaClock
from rtc_server.peer.media_receiver import MediaReceiver
from rtc_server.peer.rtp import PayloadMalformed, parse_payload
from tests.fuzz.mutation import damaged_bytes, fuzzed

SSRC = 0x11223344
VP8_KEYFRAME = bytes.fromhex("90e0800123") + bytes.fromhex("9d012a80024001") + bytes(40)
H264_STAP = bytes.fromhex("78000467420a") + bytes.fromhex("1f000468ce3c80") + bytes(20)
H264_FU = bytes.fromhex("7c85") + bytes(40)
PAYLOADS = [VP8_KEYFRAME, H264_STAP, H264_FU]

MANY = st.lists(
    damaged_bytes([struct.pack("!BBHLL", 0x80, 96, 7, 9000, SSRC) + payload for payload in PAYLOADS]), max_size=40
)


@given(st.sampled_from(["vp8", "h264"]), damaged_bytes(PAYLOADS))
@fuzzed
def test_a_payload_is_read_or_refused(codec: Codec, payload: bytes) -> None:
    with contextlib.suppress(PayloadMalformed):
        parse_payload(codec, payload)


@given(st.sampled_from(["vp8", "h264"]), MANY, st.lists(st.floats(0, 2), min_size=40, max_size=40))
@fuzzed
def test_rtp_in_any_order_and_shape_is_survived(codec: Codec, packets: list[bytes], steps: list[float]) -> None:
    sent: list[bytes] = []
    receiver = MediaReceiver(codec, 96, MediaClock(), sent.append)
    for packet, now in zip(packets, itertools.accumulate(steps), strict=False):
        receiver.rtp(packet, now)
        receiver.advance(now)
    receiver.report(100.0)
    for answer in sent:
        RtcpPacket.parse(answer)
    assert len(sent) <= 4 * len(packets) + 4


RTCP = [
    bytes(RtcpSrPacket(ssrc=SSRC, sender_info=RtcpSenderInfo(1 << 40, 9000, 5, 500))),
    bytes(RtcpRrPacket(ssrc=SSRC, reports=[RtcpReceiverInfo(1, 0, 0, 7, 0, 0, 0)])),
    struct.pack("!BBHL", 0x81, 203, 1, SSRC),
    struct.pack("!BBHLL", 0x81, 206, 2, SSRC, SSRC),
]


@given(st.lists(damaged_bytes(RTCP), max_size=10))
@fuzzed
def test_rtcp_is_survived(packets: list[bytes]) -> None:
    receiver = MediaReceiver("vp8", 96, MediaClock(), lambda packet: None)
    receiver.rtp(struct.pack("!BBHLL", 0x80, 96, 7, 9000, SSRC) + VP8_KEYFRAME, 0.0)
    for packet in packets:
        receiver.rtcp(packet, 1.0)


def _sctp() -> list[bytes]:
    sack = SackChunk()
    sack.gaps = [(2, 3), (5, 9)]
    data = DataChunk(flags=3)
    data.user_data = b"{}"
    return [serialize_packet(5000, 5000, 1, chunk) for chunk in (sack, data)]


@given(damaged_bytes(_sctp()))
@fuzzed
def test_an_sctp_packet_is_measured_without_harm(packet: bytes) -> None:
    assert gap_span(packet) >= 0


class Handshaking:
    """A DTLS transport before its keys: no media can be decrypted yet."""

    _rx_srtp = None


def _stun() -> list[bytes]:
    plain = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    signed = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    signed.attributes |= {"USERNAME": "a:b", "PRIORITY": 1, "USE-CANDIDATE": None, "ICE-CONTROLLING": 1 << 63}
    signed.add_message_integrity(b"not the password")
    response = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.RESPONSE)
    response.attributes["XOR-MAPPED-ADDRESS"] = ("127.0.0.1", 9)
    return [bytes(message) for message in (plain, signed, response)]


DATAGRAMS = [*_stun(), *RTCP, *(b"\x80\x60" + bytes(10) + payload for payload in PAYLOADS), b"\x16\xfe\xfd" + bytes(30)]


@given(st.lists(damaged_bytes(DATAGRAMS) | st.binary(max_size=60), max_size=30))
@example([bytes.fromhex("020100002112a442") + bytes(12)])
@fuzzed
def test_a_strangers_datagrams_reach_nothing(datagrams: list[bytes]) -> None:
    asyncio.run(_at_the_gate(datagrams))


async def _at_the_gate(datagrams: list[bytes]) -> None:
    failures: list[Exception] = []
    ignore: Callable[[bytes], None] = lambda packet: None  # noqa: E731
    ice = Connection(ice_controlling=False)
    gather_with(ice, IceGathering(addresses=()))
    await ice.gather_candidates()
    try:
        gate = DatagramGate(ice._protocols[0], ice, Handshaking(), ignore, ignore, failures.append)
        for number, datagram in enumerate(datagrams):
            gate.datagram_received(datagram, ("127.0.0.1", 50_000 + number))
        assert failures == []
        assert len(ice._remote_candidates) <= MAX_REMOTE_CANDIDATES
        assert ice._queue.empty()
    finally:
        await ice.close()

"""Datagrams: whatever comes, from whomever, no exception reaches the event loop, and nothing grows."""

import asyncio
import contextlib
import itertools
import struct
from ipaddress import ip_address

from aioice import Connection, stun
from aiortc.rtp import RtcpPacket, RtcpReceiverInfo, RtcpRrPacket, RtcpSenderInfo, RtcpSrPacket
from hypothesis import strategies as st

from rtc_server.frame import Codec
from rtc_server.rtp.media_clock import MediaClock
from rtc_server.rtp.packet import PayloadMalformed, parse_payload
from rtc_server.rtp.receiver import MediaReceiver
from rtc_server.transport.datagram_gate import MAX_REMOTE_CANDIDATES, DatagramGate
from rtc_server.transport.ice_gathering import IceGathering, gather_with
from tests.fuzz.doors import fuzzed
from tests.fuzz.mutation import damaged_bytes

SSRC = 0x11223344
VP8_KEYFRAME = bytes.fromhex("90e0800123") + bytes.fromhex("9d012a80024001") + bytes(40)
H264_STAP = bytes.fromhex("78000467420a") + bytes.fromhex("1f000468ce3c80") + bytes(20)
H264_FU = bytes.fromhex("7c85") + bytes(40)
PAYLOADS = [VP8_KEYFRAME, H264_STAP, H264_FU]


def _rtp(first: int, between: bytes = b"", after: bytes = b"") -> list[bytes]:
    """Packets that begin so (RFC 3550, 5.1), with what may stand before and after their payload."""
    header = struct.pack("!BBHLL", first, 96, 7, 9000, SSRC)
    return [header + between + payload + after for payload in PAYLOADS]


RTP = [
    *_rtp(0x80),
    *_rtp(0x82, between=struct.pack("!LL", 1, 2)),
    *_rtp(0x90, between=bytes.fromhex("bede0001 10ff0000")),
    *_rtp(0x90, between=bytes.fromhex("10000002 0101ff02 02aabb00")),
    *_rtp(0x90, between=bytes.fromhex("bedeffff")),
    *_rtp(0xA0, after=b"\0\0\0\x04"),
    *_rtp(0xA0, after=b"\xff"),
    struct.pack("!BBHLL", 0xA0, 96, 7, 9000, SSRC) + bytes(254) + b"\xff",
]
"""Plain, with contributing sources, with extensions of one and of two bytes, with padding; some that lie."""


@fuzzed(st.sampled_from(["vp8", "h264"]), damaged_bytes(PAYLOADS))
def test_a_payload_is_read_or_refused(codec: Codec, payload: bytes) -> None:
    with contextlib.suppress(PayloadMalformed):
        parse_payload(codec, payload)


ROUND_THE_CORNER = [struct.pack("!BBHLL", 0x80, 96, number, 9000, SSRC) + VP8_KEYFRAME for number in (0xFFF7, 7)]
"""What is missing between them has numbers that begin again at 0."""


@st.composite
def sent_packet(draw: st.DrawFn) -> bytes:
    """One of a stream that goes on: its number and time are near those of the others, or anywhere."""
    packet = bytearray(draw(damaged_bytes(RTP)))
    if draw(st.booleans()) and len(packet) >= 12:
        near = st.integers(0, 12)
        packet[2:4] = draw(near | st.integers(0, 0xFFFF)).to_bytes(2, "big")
        packet[4:8] = (6000 * draw(near) & 0xFFFFFFFF).to_bytes(4, "big")
        packet[1] = 96 | draw(st.sampled_from([0, 0x80]))
    return bytes(packet)


@fuzzed(
    st.sampled_from(["vp8", "h264"]),
    st.lists(sent_packet(), max_size=40),
    st.lists(st.floats(0, 2), min_size=40, max_size=40),
    corpus=[("vp8", RTP, [0.01] * 40), ("h264", RTP, [0.01] * 40), ("vp8", ROUND_THE_CORNER, [0.0] * 40)],
)
def test_rtp_in_any_order_and_shape_is_survived(codec: Codec, packets: list[bytes], steps: list[float]) -> None:
    sent: list[bytes] = []
    receiver = MediaReceiver(codec, 96, MediaClock().connection(), sent.append, ssrc=1)
    for packet, now in zip(packets, itertools.accumulate(steps), strict=False):
        receiver.rtp(packet, now)
        receiver.advance(now)
    receiver.report(100.0, 300)
    for answer in sent:
        RtcpPacket.parse(answer)
    assert len(sent) <= 4 * len(packets) + 4


RTCP = [
    bytes(RtcpSrPacket(ssrc=SSRC, sender_info=RtcpSenderInfo(1 << 40, 9000, 5, 500))),
    bytes(RtcpRrPacket(ssrc=SSRC, reports=[RtcpReceiverInfo(1, 0, 0, 7, 0, 0, 0)])),
    struct.pack("!BBHLBB", 0x81, 202, 3, SSRC, 1, 5) + b"cname" + bytes(1),
    struct.pack("!BBHL", 0x81, 203, 1, SSRC),
    struct.pack("!BBHL", 0x80, 204, 2, SSRC) + b"name",
    struct.pack("!BBHLLHH", 0x81, 205, 3, SSRC, SSRC, 7, 0xFFFF),
    struct.pack("!BBHLL", 0x81, 206, 2, SSRC, SSRC),
    struct.pack("!BBHL", 0xA1, 203, 2, SSRC) + b"\0\0\0\x04",
]
"""Each kind; the last is padded."""


@fuzzed(st.lists(damaged_bytes([*RTCP, b"".join(RTCP)]), max_size=10), corpus=[RTCP])
def test_rtcp_is_survived(packets: list[bytes]) -> None:
    receiver = MediaReceiver("vp8", 96, MediaClock().connection(), lambda packet: None, ssrc=1)
    receiver.rtp(struct.pack("!BBHLL", 0x80, 96, 7, 9000, SSRC) + VP8_KEYFRAME, 0.0)
    for packet in packets:
        receiver.rtcp(packet, 1.0)
        receiver.report(1.0, 300)


UFRAG, PASSWORD = "oUrs", "aPasswordThatOnlyTheClientKnows"


class Handshaking:
    """A DTLS transport before its keys: no media can be decrypted yet."""

    _rx_srtp = None


def _check(attributes: dict[str, object], password: str | None) -> bytes:
    check = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    check.attributes |= attributes
    if password is not None:
        check.add_message_integrity(password.encode())
        check.add_fingerprint()
    return bytes(check)


def _stun() -> list[bytes]:
    """A stranger's checks, the client's own, and an answer to nothing that was asked."""
    named = {"USERNAME": f"{UFRAG}:theirs", "PRIORITY": 1, "ICE-CONTROLLING": 1 << 63, "USE-CANDIDATE": None}
    response = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.RESPONSE)
    response.attributes["XOR-MAPPED-ADDRESS"] = ("127.0.0.1", 9)
    return [
        _check({}, None),
        _check(named, None),
        _check(named, "not the password"),
        _check(named, PASSWORD),
        _check(named | {"ICE-CONTROLLED": 1}, PASSWORD),
        bytes(response),
    ]


DTLS = [b"\x16\xfe\xfd" + bytes(30), bytes.fromhex("15fefd0000000000000000000202 28")]
DATAGRAMS = [*_stun(), *RTCP, *RTP, *DTLS]


@fuzzed(
    st.lists(damaged_bytes(_stun()) | damaged_bytes(DATAGRAMS) | st.binary(max_size=60), max_size=30),
    corpus=[DATAGRAMS, [bytes.fromhex("020100002112a442") + bytes(12)], [b"", b"\x80" + bytes(1600)]],
)
def test_datagrams_from_anywhere_reach_nothing(datagrams: list[bytes]) -> None:
    asyncio.run(_at_the_gate(datagrams))


async def _at_the_gate(datagrams: list[bytes]) -> None:
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    heard: list[bytes] = []
    ice = Connection(ice_controlling=False, local_username=UFRAG, local_password=PASSWORD)
    gather_with(ice, IceGathering(addresses=(ip_address("127.0.0.1"),)))
    await ice.gather_candidates()
    try:
        gate = DatagramGate(ice._protocols[0], ice, Handshaking(), heard.append, heard.append, failures.append)
        for number, datagram in enumerate(datagrams):
            gate.datagram_received(datagram, ("127.0.0.1", 50_000 + number))
        await asyncio.sleep(0)
        assert heard == []
        assert len(ice._remote_candidates) <= MAX_REMOTE_CANDIDATES
        assert ice._queue.empty()
    finally:
        await ice.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert failures == []

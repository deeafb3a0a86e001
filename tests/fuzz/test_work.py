"""No packet of a learner's buys much work: bytecodes and answers are counted, and the most for a byte is looked for."""

import asyncio
import itertools
import struct
from types import SimpleNamespace
from typing import Any

from aioice import Connection
from aiortc import RTCSctpTransport
from aiortc.rtcsctptransport import crc32c
from hypothesis import strategies as st
from hypothesis import target

from rtc_server.frame import Codec
from rtc_server.rtp.media_clock import MediaClock
from rtc_server.rtp.receiver import MediaReceiver
from rtc_server.transport.data_guard import guard_data
from rtc_server.transport.datagram_gate import DatagramGate
from tests.fuzz.doors import fuzzed
from tests.fuzz.mutation import damaged_bytes
from tests.fuzz.test_messages import OTHER_CHUNKS, TAG, Wire, data_chunk
from tests.fuzz.test_packets import PASSWORD, RTCP, SSRC, UFRAG, VP8_KEYFRAME, Handshaking, _stun, sent_packet
from tests.fuzz.work import Work, counted

MAX_PACKET_BYTES = 1200

# What a packet may cost, and each of its bytes, in bytecodes. A core runs 30 million a second.
SCTP = (12_000, 60)
"""100 packets come a second at most, and 150 chunks."""
RTCP_COST = (1_500, 4)
"""600 packets come a second at most, and 225 kilobytes."""
RTP_COST = (7_000, 4)
"""The same, on an average: beside its own work, a packet after a missing one has a request for that one sent."""
RTP_AT_ONCE = 20_000
"""What may come on top: now and then all that is missing, or held, is looked at."""
STUN_COST = (20_000, 40)
"""50 checks come a second at most."""


@st.composite
def bundle(draw: st.DrawFn, units: st.SearchStrategy[bytes]) -> bytes:
    """As many of some units as fit into a packet."""
    parts = draw(st.lists(st.tuples(units, st.sampled_from([1, 2, 5, 400])), min_size=1, max_size=4))
    whole = bytearray()
    for unit in itertools.chain.from_iterable([unit] * times for unit, times in parts):
        if len(whole) + len(unit) > MAX_PACKET_BYTES:
            break
        whole += unit
    return bytes(whole)


def _within(work: Work, packets: list[bytes], allowed: tuple[int, int], worst: list[float]) -> None:
    """Notes what the last of the packets cost, and holds it to what is allowed."""
    fixed, per_byte = allowed
    size = len(packets[-1])
    worst.append(work.total / (fixed + per_byte * size))
    assert worst[-1] <= 1, f"{work} for {size} bytes: {packets[-1]!r}"


def _aim_at(worst: list[float]) -> None:
    """Where the most work for a byte is, Hypothesis goes on looking."""
    target(max(worst, default=0.0), label="work for a byte")


# -- SCTP

EMPTY_CHUNKS = [struct.pack("!BBH", kind, 0, 4) for kind in (4, 6, 9, 11, 14, 130, 192)]
MANY_PARAMETERS = struct.pack("!BBH", 130, 0, 4 + 90 * 12) + 90 * struct.pack("!HHLL", 17, 12, 0, 0)
WIDE_GAPS = struct.pack("!BBHLLHH", 3, 0, 1016, 3, 1000, 250, 0) + 250 * struct.pack("!HH", 1, 4)
MANY_STREAMS = struct.pack("!BBHL", 192, 0, 8 + 280 * 4, 9) + b"".join(
    struct.pack("!HH", n % 60, 1) for n in range(280)
)
MANY_DUPLICATES = struct.pack("!BBHLLHH", 3, 0, 1016, 3, 1000, 0, 250) + bytes(1000)
PART_OF_NOTHING = struct.pack("!BBHLHHL", 0, 4, 16, 3, 0, 0, 51)

sctp_bundle = bundle(data_chunk() | damaged_bytes(OTHER_CHUNKS) | st.sampled_from([*EMPTY_CHUNKS, PART_OF_NOTHING]))
EMPTY_DATA = struct.pack("!BBH", 4, 0, 4) + 290 * struct.pack("!BBH", 0, 0, 4)
FULL = [400 * EMPTY_CHUNKS[0], EMPTY_DATA, MANY_PARAMETERS, WIDE_GAPS, MANY_STREAMS, MANY_DUPLICATES]


@fuzzed(st.lists(sctp_bundle, max_size=5), corpus=[[chunks[:MAX_PACKET_BYTES]] for chunks in FULL])
def test_an_sctp_packet_buys_little_work(bundles: list[bytes]) -> None:
    asyncio.run(_associated(bundles))


async def _associated(bundles: list[bytes]) -> None:
    work = Work()
    wire: Any = Wire()
    sctp = RTCSctpTransport(wire)
    sctp._local_verification_tag = TAG
    sctp._local_tsn = 4
    sctp._last_sacked_tsn = sctp._advanced_peer_ack_tsn = 3
    guard_data(sctp, lambda: None, now=lambda: 1.0)
    await sctp.start(RTCSctpTransport.getCapabilities(), 5000)
    sctp._last_received_tsn = 0
    sctp._cwnd = sctp._ssthresh = 100_000
    sctp._set_state(RTCSctpTransport.State.ESTABLISHED)
    for _ in range(60):
        await sctp._send(0, 51, b"an update that is on its way", max_retransmits=0, ordered=False)

    async def send(data: bytes) -> None:
        work.sent()

    wire._send_data = send
    worst: list[float] = []
    packets: list[bytes] = []
    for chunks in bundles:
        header = struct.pack("!HHL", 5000, 5000, 0 if chunks[:1] == b"\x01" else TAG)
        packets.append(header + struct.pack("<L", crc32c(header + bytes(4) + chunks)) + chunks)
        work.bytecodes = work.datagrams = 0
        with counted(work):
            await sctp._handle_data(packets[-1])
        _within(work, packets, SCTP, worst)
    _aim_at(worst)
    await sctp.stop()
    if others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others, timeout=1)


# -- RTCP and RTP


@fuzzed(
    bundle(damaged_bytes(RTCP) | st.sampled_from([b"\x80\xcb\0\0", b"\x80\xc9\0\1" + bytes(4)])),
    corpus=[
        300 * b"\x80\xcb\0\0",
        150 * (b"\x80\xc9\0\1" + bytes(4)),
        struct.pack("!BBH", 0x9F, 203, 299) + bytes(1196),
    ],
)
def test_an_rtcp_packet_buys_little_work(packet: bytes) -> None:
    work = Work()
    receiver = MediaReceiver("vp8", 96, MediaClock().connection(), work.sent, ssrc=1)
    receiver.rtp(struct.pack("!BBHLL", 0x80, 96, 7, 9000, SSRC) + VP8_KEYFRAME, 0.0)
    work.datagrams = 0
    with counted(work):
        receiver.rtcp(packet, 1.0)
    worst: list[float] = []
    _within(work, [packet], RTCP_COST, worst)
    _aim_at(worst)


SMALL_UNITS = struct.pack("!BBHLL", 0x80, 96, 7, 9000, SSRC) + b"\x78" + 390 * b"\0\1\x67"
"""A STAP-A (RFC 6184, 5.7.1) of parameter sets of one byte."""
KEYFRAMES_BEHIND_A_GAP = [
    struct.pack("!BBHLL", 0x80, 96, number, 9000 + number, SSRC) + VP8_KEYFRAME for number in (7, *range(9, 150))
]
WITHOUT_KEYFRAME = [
    struct.pack("!BBHLL", 0x80, 96, 16 * number, 9000 + number, SSRC) + b"\x10\x01" for number in range(300)
]
"""Fifteen are missing before each."""
KEYFRAMES_FAR_APART = [
    struct.pack("!BBHLL", 0x80, 224, 900 * number & 0xFFFF, 9000 * number, SSRC) + VP8_KEYFRAME for number in range(60)
]
"""Each is whole, and hundreds are missing before it."""
KEYFRAMES_BEFORE_A_GAP = [
    struct.pack("!BBHLL", 0x80, 96, first + further, 9000, SSRC) + payload
    for first in range(0, 30_000, 1000)
    for further, payload in ((1000, b"\x00\x01"), (7, b"\x10\x00"))
]
"""Each begins when a packet that is hundreds ahead of it is here already."""


@fuzzed(
    st.sampled_from(["vp8", "h264"]),
    st.lists(sent_packet(), max_size=30),
    corpus=[
        ("h264", [SMALL_UNITS]),
        ("vp8", KEYFRAMES_BEHIND_A_GAP),
        ("vp8", WITHOUT_KEYFRAME),
        ("vp8", KEYFRAMES_FAR_APART),
        ("vp8", KEYFRAMES_BEFORE_A_GAP),
    ],
)
def test_an_rtp_packet_buys_little_work(codec: Codec, packets: list[bytes]) -> None:
    work = Work()
    receiver = MediaReceiver(codec, 96, MediaClock().connection(), work.sent, ssrc=1)
    fixed, per_byte = RTP_COST
    allowed = RTP_AT_ONCE
    for number, packet in enumerate(packets):
        with counted(work):
            receiver.rtp(packet, number / 600)
        allowed += fixed + per_byte * len(packet)
        assert work.total <= allowed, f"{work} for {number + 1} packets"
    target(work.total / allowed, label="work for a byte")


# -- STUN

MANY_ATTRIBUTES = (
    struct.pack("!HHL", 1, 1180, 0x2112A442)
    + bytes(12)
    + struct.pack("!HH", 6, 8)
    + b"oUrs:me."
    + 292 * b"\x80\x22\0\0"
)


@fuzzed(
    st.lists(damaged_bytes(_stun()) | bundle(damaged_bytes(_stun())), max_size=6),
    corpus=[[MANY_ATTRIBUTES], _stun() * 3],
)
def test_a_check_buys_little_work(datagrams: list[bytes]) -> None:
    asyncio.run(_checked(datagrams))


async def _checked(datagrams: list[bytes]) -> None:
    work = Work()
    ice = Connection(ice_controlling=False, local_username=UFRAG, local_password=PASSWORD)
    await ice.gather_candidates()
    try:
        protocol = ice._protocols[0]
        dtls: Any = Handshaking()
        failures: list[Exception] = []
        gate = DatagramGate(protocol, ice, dtls, work.sent, work.sent, failures.append)
        real, protocol.transport = protocol.transport, SimpleNamespace(sendto=work.sent, ssrc=1)
        worst: list[float] = []
        for number, datagram in enumerate(datagrams):
            work.bytecodes = work.datagrams = 0
            with counted(work):
                gate.datagram_received(datagram, ("127.0.0.1", 50_000 + number))
            _within(work, [datagram], STUN_COST, worst)
        _aim_at(worst)
        protocol.transport = real
    finally:
        await ice.close()

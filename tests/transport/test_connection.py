"""Faults of aiortc and aioice that would end a connection, or worse: none of them does. One test for each."""

import asyncio
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import pytest
from aiortc import RTCRtpReceiver, rtcsctptransport
from aiortc.rtcsctptransport import Chunk, DataChunk, SackChunk, serialize_packet
from aiortc.rtp import RtcpByePacket, RtcpRrPacket, RtpPacket

from rtc_server.errors import OfferMalformed, OfferUnacceptable
from rtc_server.peer.peer import Peer
from rtc_server.peer.registry import PeerRegistry
from rtc_server.record import EndReason
from rtc_server.sdp.offer import read_offer
from rtc_server.transport import Connection, connection
from rtc_server.transport.data_guard import (
    ANSWERED_BURST,
    ANSWERED_PER_S,
    MAX_CHANNELS,
    MAX_GAP_SPAN,
    gap_span,
)
from rtc_server.transport.data_path import MAX_ON_ITS_WAY_BYTES, ChannelSender, Suspended, run_to_end
from rtc_server.transport.datagram_gate import MAX_REMOTE_CANDIDATES, MAX_SSRCS, DatagramGate
from rtc_server.transport.ice_gathering import IceGathering
from rtc_server.transport.retransmission_timer import RetransmissionTimer
from tests.peer.learner_client import LearnerClient, learner_client
from tests.peer.stand_ins import Analysers, Records, until
from tests.sdp.offers import offer


class Nobody:
    """Hears nothing of a connection's events."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args: None


class Live:
    """A connected learner, and the server's end of it."""

    def __init__(self, client: LearnerClient, peer: Peer) -> None:
        self.client = client
        self.peer = peer
        self.server_dtls = peer._connection._dtls
        self.server_ice = self.server_dtls.transport._connection
        self.client_dtls = client.pc.getSenders()[0].transport
        self.client_ice = self.client_dtls.transport._connection

    @property
    def server_address(self) -> tuple[str, int]:
        return self.client_ice._nominated[1].remote_addr

    @property
    def gate(self) -> DatagramGate:
        gate = self.server_ice._nominated[1].protocol.datagram_received.__self__
        assert isinstance(gate, DatagramGate)
        return gate

    @property
    def updates(self) -> ChannelSender:
        sender = self.peer._conversation._channel._updates
        assert sender is not None
        return sender

    async def goes_on(self) -> None:
        self.client.messages.clear()
        for _ in range(3):
            await self.client.told("tracking_update", lambda update: update["server_ms"] > 0)


@pytest.fixture
async def live(registry: PeerRegistry) -> AsyncIterator[Live]:
    async with learner_client() as client:
        answer = await client.connect(registry)
        await client.told("tracking_update")
        yield Live(client, registry.peer(answer.peer_id))


# -- datagrams

STRANGE = {
    "empty": b"",
    "long": b"\x80" * 1600,
    "huge": b"\x80" * 60_000,
    "one byte": b"\x80",
    "short RTP": b"\x80\x61",
    "RTP": struct.pack("!BBHLL", 0x80, 97, 1, 2, 3) + bytes(100),
    "RTCP": struct.pack("!BBHL", 0x81, 201, 7, 3) + bytes(40),
    "DTLS alert": bytes.fromhex("15fefd00000000000000000002") + b"\x02\x28",
    "DTLS hello": bytes.fromhex("16fefd0000000000000000000001") + bytes(60),
    "STUN without length": b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12),
    "STUN cut": b"\x00\x01\x00\x40\x21\x12\xa4\x42" + bytes(20),
    "neither": b"\xff" * 100,
    "ZRTP": b"\x10" * 40,
}


@pytest.mark.parametrize("datagram", STRANGE.values(), ids=STRANGE.keys())
async def test_a_strangers_datagram_changes_nothing(live: Live, datagram: bytes) -> None:
    family = socket.AF_INET6 if ":" in live.server_address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as stranger:
        for _ in range(20):
            stranger.sendto(datagram, live.server_address)
    await live.goes_on()


@pytest.mark.parametrize("datagram", STRANGE.values(), ids=STRANGE.keys())
async def test_the_clients_own_nonsense_changes_nothing(live: Live, datagram: bytes) -> None:
    transport = live.client_ice._nominated[1].protocol.transport
    for _ in range(20):
        transport.sendto(datagram, live.server_address)
    await live.goes_on()


async def test_dtls_waits_in_no_unbounded_queue(live: Live) -> None:
    address = live.server_ice._nominated[1].remote_addr
    for _ in range(10_000):
        live.gate.datagram_received(b"\x17" + bytes(50), address)
    assert live.server_ice._queue.qsize() <= 64
    await live.goes_on()


async def send_bundled(live: Live, packets: list[bytes]) -> None:
    """DTLS records of these, in one datagram."""
    ssl = live.client_dtls._ssl
    records = []
    for packet in packets:
        ssl.send(packet)
        records.append(ssl.bio_read(1500))
    await live.client_dtls.transport._send(b"".join(records))


async def test_messages_bundled_in_a_datagram_are_all_heard_at_once(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One was read, and the others stayed in memory."""
    heard: list[bytes] = []

    async def hear(packet: bytes) -> None:
        heard.append(packet)

    monkeypatch.setattr(live.peer._connection._pc.sctp, "_handle_data", hear)
    packets = [b"packet %d" % number for number in range(3)]
    await send_bundled(live, packets)
    await until(lambda: any(packet.startswith(b"packet") for packet in heard), "a packet is heard")
    assert [packet for packet in heard if packet in packets] == packets


async def test_who_bundles_without_measure_is_thrown_out(live: Live, records: Records) -> None:
    await send_bundled(live, 36 * [b"x"])
    await until(lambda: live.peer.ending, "the peer ends")


async def test_three_hundred_ssrcs_change_nothing(live: Live) -> None:
    for ssrc in range(300):
        packet = RtpPacket(payload_type=97, sequence_number=1, ssrc=ssrc, payload=b"\x90\x80\x01\x00x")
        await live.client_dtls._send_rtp(packet.serialize())
        await live.client_dtls._send_rtp(bytes(RtcpRrPacket(ssrc=ssrc + 1000)))
    await live.goes_on()
    assert len(live.gate._ssrcs) <= MAX_SSRCS


async def test_another_stream_takes_over_only_from_a_silent_one(live: Live) -> None:
    stream = live.peer._receiver._stream
    packet = RtpPacket(payload_type=97, sequence_number=9, ssrc=77, payload=b"\x90\x80\x01\x00x")
    await live.client_dtls._send_rtp(packet.serialize())
    await live.goes_on()
    assert live.peer._receiver._stream is stream


async def test_jumps_of_the_sequence_number_cost_nothing(live: Live) -> None:
    stream = live.peer._receiver._stream
    far_off = stream.assembler.highest_sequence + 16_384  # wherever the stream is, none of them lies near it
    for step in range(200):
        sequence = (far_off + step * 32_767) & 0xFFFF
        packet = RtpPacket(payload_type=97, sequence_number=sequence, ssrc=stream.ssrc, payload=b"\x90\x80\x01\x00x")
        live.peer.rtp(packet.serialize())
    await live.goes_on()


async def test_a_goodbye_in_rtcp_does_not_stop_what_follows(live: Live) -> None:
    await live.client_dtls._send_rtp(bytes(RtcpByePacket(sources=[live.peer._receiver._stream.ssrc])))
    await live.client_dtls._send_rtp(b"\x80\xc9\x00\x09" + bytes(4))
    await live.goes_on()


async def test_aiortc_starts_no_thread_and_no_task_for_media(live: Live) -> None:
    assert not [thread for thread in threading.enumerate() if "decoder" in thread.name]
    receiver = live.peer._connection._pc.getReceivers()[0]
    assert receiver._RTCRtpReceiver__rtcp_task is None
    assert receiver._RTCRtpReceiver__decoder_thread is None


async def test_aiortc_s_receiver_still_has_what_is_taken_from_it(live: Live) -> None:
    """The names that the server sets would be new ones if upstream had renamed its own."""
    names = ("_RTCRtpReceiver__jitter_buffer", "_RTCRtpReceiver__remote_bitrate_estimator")
    receiver = live.peer._connection._pc.getReceivers()[0]
    upstream = vars(RTCRtpReceiver("video", live.server_dtls))
    for name in names:
        assert upstream[name] is not None
        assert vars(receiver)[name] is None


async def test_no_public_stun_server_is_asked(live: Live) -> None:
    assert live.server_ice.stun_server is None
    assert live.server_ice.turn_server is None


async def test_no_candidate_of_the_offer_is_sent_anything() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as victim:
        victim.bind(("127.0.0.1", 0))
        victim.setblocking(False)
        port = victim.getsockname()[1]
        read = read_offer(offer().replace("10.0.0.7 40000", f"127.0.0.1 {port}"))
        server = Connection(Nobody(), IceGathering())
        await server.accept(read.sdp)
        await asyncio.sleep(0.1)
        with pytest.raises(BlockingIOError):
            victim.recv(2000)
        await server.close()


# -- where the client is


async def rebind(live: Live) -> tuple[str, int]:
    """As by a NAT that forgot the client: the same credentials and keys come from another port, which is returned."""
    pair = live.client_ice._nominated[1]
    old = pair.protocol.transport
    old.set_protocol(asyncio.DatagramProtocol())
    old.close()
    await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: pair.protocol, local_addr=(live.server_address[0], 0)
    )
    # The client's consent check, which comes every few seconds, comes now.
    check = live.client_ice.build_request(pair, nominate=False)
    async with asyncio.timeout(5):
        await pair.protocol.request(check, pair.remote_addr, integrity_key=live.client_ice.remote_password.encode())
    return pair.protocol.transport.get_extra_info("sockname")[:2]


async def test_a_client_whose_address_changes_goes_on(live: Live) -> None:
    before = live.server_ice._nominated[1].remote_addr
    await rebind(live)
    await live.goes_on()
    assert live.server_ice._nominated[1].remote_addr != before


async def test_a_client_whose_address_changes_again_and_again_goes_on(live: Live) -> None:
    """After 32 addresses it was not heard any more."""
    for _ in range(MAX_REMOTE_CANDIDATES + 13):
        address = await rebind(live)
        await until(lambda address=address: live.server_ice._nominated[1].remote_addr == address, "it is followed")
    await live.goes_on()
    assert len(live.server_ice._remote_candidates) <= MAX_REMOTE_CANDIDATES
    assert len(live.server_ice._check_list) <= MAX_REMOTE_CANDIDATES


async def checks_from_elsewhere(live: Live, count: int, password: str) -> None:
    """The client's checks from as many addresses, none of which answers any."""
    pair = live.client_ice._nominated[1]
    for _ in range(count):
        check = live.client_ice.build_request(pair, nominate=False)
        check.add_message_integrity(password.encode())
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=(live.server_address[0], 0)
        )
        transport.sendto(bytes(check), live.server_address)
        transport.close()


async def test_addresses_that_a_client_comes_from_are_bounded(live: Live) -> None:
    where = live.server_ice._nominated[1].remote_addr
    await checks_from_elsewhere(live, MAX_REMOTE_CANDIDATES + 8, live.client_ice.remote_password)
    await live.goes_on()
    assert len(live.server_ice._remote_candidates) <= MAX_REMOTE_CANDIDATES
    assert live.server_ice._nominated[1].remote_addr == where


async def test_who_does_not_know_the_password_takes_no_address_s_place(live: Live) -> None:
    await checks_from_elsewhere(live, MAX_REMOTE_CANDIDATES, live.client_ice.remote_password)
    await live.goes_on()
    known = list(live.server_ice._remote_candidates)
    await checks_from_elsewhere(live, 5, "not the password of anybody")
    await live.goes_on()
    assert live.server_ice._remote_candidates == known


# -- the data channels


def sack(*gaps: tuple[int, int], cumulative_tsn: int = 0) -> bytes:
    chunk = SackChunk()
    chunk.cumulative_tsn = cumulative_tsn
    chunk.advertised_rwnd = 1000
    chunk.gaps = list(gaps)
    return serialize_packet(5000, 5000, 1, chunk)


def test_the_span_of_gap_blocks() -> None:
    assert gap_span(sack()) == 0
    assert gap_span(sack((2, 2), (4, 9))) == 7
    assert gap_span(sack((9, 2))) == 0
    assert gap_span(sack(*[(1, 65_535)] * 100)) == 6_553_500
    for length in range(40):
        gap_span(sack((1, 65_535), (2, 3))[:length])


@pytest.mark.parametrize("length", [0, 3])
@pytest.mark.parametrize("kind", [rtcsctptransport.HeartbeatChunk, rtcsctptransport.ReconfigChunk])
def test_a_parameter_that_does_not_get_past_itself_drops_its_packet(kind: type[Chunk], length: int) -> None:
    chunk = struct.pack("!BBHHH", kind.type, 0, 12, 1, length) + bytes(4)
    header = struct.pack("!HHL", 5000, 5000, 1)
    checksum = struct.pack("<L", rtcsctptransport.crc32c(header + bytes(4) + chunk))
    with pytest.raises(ValueError, match="shorter than its header"):
        rtcsctptransport.parse_packet(header + checksum + chunk)


async def test_wide_gap_blocks_cost_nothing(live: Live) -> None:
    sctp, server = live.client.pc.sctp, live.peer._connection._pc.sctp
    chunk = SackChunk()
    chunk.cumulative_tsn = server._last_sacked_tsn
    chunk.advertised_rwnd = 1000
    chunk.gaps = [(1, MAX_GAP_SPAN + 1)] * 20
    loop = asyncio.get_running_loop()
    start = loop.time()
    for _ in range(20):
        await sctp._send_chunk(chunk)
    await live.goes_on()
    assert loop.time() - start < 2.0


def packet_of(live: Live, chunks: bytes) -> bytes:
    """An SCTP packet of the client's with these chunks, as they are."""
    sctp = live.client.pc.sctp
    header = struct.pack("!HHL", sctp._local_port, sctp._remote_port, sctp._remote_verification_tag)
    return header + struct.pack("<L", rtcsctptransport.crc32c(header + bytes(4) + chunks)) + chunks


HEARTBEAT, ADD_STREAMS = b"\x04\x00\x00\x04", struct.pack("!HHLL", 17, 12, 0, 0)
ANSWERED = {
    "heartbeats": (1, 345 * HEARTBEAT),
    "two heartbeats": (1, 2 * HEARTBEAT),
    "re-configurations": (2, 68 * (struct.pack("!BBH", 130, 0, 16) + ADD_STREAMS)),
    "parameters of one re-configuration": (2, struct.pack("!BBH", 130, 0, 4 + 100 * 12) + 100 * ADD_STREAMS),
}
"""What one packet can hold of what aiortc answers one by one."""


@pytest.mark.parametrize(("most", "chunks"), ANSWERED.values(), ids=ANSWERED.keys())
async def test_one_packet_buys_one_answer_and_a_re_configuration_two(
    live: Live, most: int, chunks: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = live.peer._connection._pc.sctp
    answers: list[Chunk] = []

    async def count(chunk: Chunk) -> None:
        answers.append(chunk)

    monkeypatch.setattr(server, "_send_chunk", count)
    await server._handle_data(packet_of(live, chunks))
    assert len(answers) <= most


async def test_heartbeats_are_answered_at_their_rate(live: Live) -> None:
    """95 packets a second, each full of heartbeats, kept the server from everybody else."""
    sctp = live.client.pc.sctp
    answers: list[Chunk] = []
    receive = sctp._receive_chunk

    async def count(chunk: Chunk) -> None:
        if isinstance(chunk, rtcsctptransport.HeartbeatAckChunk):
            answers.append(chunk)
        await receive(chunk)

    sctp._receive_chunk = count
    packets = [packet_of(live, HEARTBEAT), packet_of(live, 345 * HEARTBEAT)]
    for number in range(150):
        await sctp.transport._send_data(packets[number % 2])
    await live.goes_on()
    assert 0 < len(answers) <= ANSWERED_BURST + 2 * ANSWERED_PER_S


async def test_fragments_of_nothing_are_bounded(live: Live, records: Records) -> None:
    """They take no bytes of the window, and memory all the same."""
    sctp = live.client.pc.sctp
    with suppress(ConnectionError):  # the server may be done with it before the last
        for _ in range(10):
            chunks = b"".join(
                struct.pack("!BBHLHHL", 0, 2, 16, (sctp._local_tsn + n) % 2**32, live.client.control.id, 0, 51)
                for n in range(40)
            )
            sctp._local_tsn = (sctp._local_tsn + 40) % 2**32
            await sctp.transport._send_data(packet_of(live, chunks))
            await asyncio.sleep(0)
    assert (await records.ended())[0].end_reason == "failed"


async def test_fragments_without_an_end_are_bounded(live: Live, records: Records) -> None:
    sctp = live.client.pc.sctp
    sctp._cwnd = 10**9
    with suppress(ConnectionError):  # the server may be done with it before the last
        for _ in range(100):
            chunk = DataChunk()
            chunk.flags = 0x02
            chunk.tsn = sctp._local_tsn
            sctp._local_tsn = (sctp._local_tsn + 1) % 2**32
            chunk.stream_id = live.client.control.id
            chunk.user_data = bytes(1100)
            await sctp._send_chunk(chunk)
            await asyncio.sleep(0)
    assert (await records.ended())[0].end_reason == "failed"


async def test_packets_far_ahead_are_bounded(live: Live, records: Records) -> None:
    sctp = live.client.pc.sctp
    with suppress(ConnectionError):  # the server may be done with it before the last
        for step in range(400):
            chunk = DataChunk()
            chunk.flags = 0x07
            chunk.tsn = (sctp._local_tsn + 2 + 2 * step) % 2**32
            chunk.stream_id = live.client.control.id
            chunk.user_data = b"x"
            await sctp._send_chunk(chunk)
            await asyncio.sleep(0)
    assert (await records.ended())[0].end_reason == "failed"


async def test_text_that_is_no_text_changes_nothing(live: Live) -> None:
    sctp = live.client.pc.sctp
    await sctp._send(live.client.control.id, 51, b"\xff\xfe\xfd")
    await sctp._send(live.client.control.id, 50, b"\x03" + bytes(11))
    await live.goes_on()


async def test_more_channels_at_once_than_are_allowed_end_the_peer(live: Live, records: Records) -> None:
    for number in range(MAX_CHANNELS):
        live.client.pc.createDataChannel(f"channel {number}")
    # Its own two are open besides.
    await until(lambda: records.last.end_reason == "failed", "the peer is ended")


async def test_channels_that_were_closed_are_not_counted(live: Live) -> None:
    for number in range(MAX_CHANNELS + 1):
        channel = live.client.pc.createDataChannel(f"channel {number}")
        await until(lambda: channel.readyState == "closed", "it is closed")  # noqa: B023
    await live.goes_on()


async def test_a_channel_that_is_none_of_ours_is_closed(live: Live) -> None:
    other = live.client.pc.createDataChannel("other")
    await until(lambda: other.readyState == "closed", "it is closed")
    await live.goes_on()


async def test_messages_pass_without_a_task(live: Live) -> None:
    """Upstream's coroutines still wait for nothing: an update leaves, and its acknowledgement is taken, at once."""
    sctp = live.peer._connection._pc.sctp
    tasks = asyncio.all_tasks()
    sent = sctp._local_tsn
    assert live.updates.send_now('{"type": "at once"}')
    assert sctp._local_tsn == (sent + 1) % 2**32
    assert not sctp._outbound_queue
    assert asyncio.all_tasks() == tasks
    await live.client.told("at once")


async def test_an_outage_does_not_hold_up_the_updates_after_it(live: Live) -> None:
    """After a second without an answer aiortc's window holds two updates."""
    sctp, sender = live.peer._connection._pc.sctp, live.updates
    sctp._cwnd, sctp._flight_size = 1172, 1200
    assert sender.send_now("first after the outage")
    sctp._flight_size = MAX_ON_ITS_WAY_BYTES
    assert not sender.send_now("one of too many")


async def test_the_association_s_timer_is_ours(live: Live) -> None:
    sctp = live.peer._connection._pc.sctp
    for method in ("_t3_start", "_t3_cancel", "_t3_restart"):
        assert isinstance(getattr(sctp, method).__self__, RetransmissionTimer)
    assert live.updates.send_now('{"type": "timed"}')
    assert isinstance(sctp._t3_handle, RetransmissionTimer)
    await live.client.told("timed")
    await until(lambda: sctp._t3_handle is None, "all is acknowledged")


async def test_a_coroutine_that_waits_is_noticed() -> None:
    with pytest.raises(Suspended):
        run_to_end(asyncio.sleep(0))


# -- the end


async def test_close_ends_even_where_aiortc_hangs(
    live: Live, registry: PeerRegistry, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    pc = live.peer._connection._pc
    close = pc.close
    released = asyncio.Event()

    async def hang() -> None:
        await released.wait()

    monkeypatch.setattr(pc, "close", hang)
    monkeypatch.setattr(connection, "CLOSE_DEADLINE_S", 0.05)
    live.peer.end(EndReason.STOPPED)
    await until(lambda: len(registry) == 0, "it ended")
    assert (await records.ended())[0].end_reason == "stopped"
    assert all(protocol.transport.is_closing() for protocol in live.server_ice._protocols)
    released.set()
    await close()


async def test_a_handler_that_raises_ends_its_own_peer(
    live: Live, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(packet: bytes, now: float) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(live.peer._receiver, "rtp", bug)
    assert (await records.ended())[0].end_reason == "failed"


async def test_a_client_that_just_leaves_is_noticed(registry: PeerRegistry, analysers: Analysers) -> None:
    async with learner_client() as client:
        await client.connect(registry)
        await client.told("tracking_update")
    await until(lambda: len(registry) == 0, "it left")
    assert analysers.made[0].closed


@pytest.mark.parametrize(
    ("sdp", "error"),
    [("v=0\r\nm=video", OfferMalformed), ("v=0\r\nm=video 9 X 96\r\na=mid:0\r\n", OfferMalformed)],
)
async def test_what_aiortc_cannot_read_is_malformed(sdp: str, error: type[Exception]) -> None:
    server = Connection(Nobody(), IceGathering())
    with pytest.raises((error, OfferUnacceptable)):
        await server.accept(sdp)
    await server.close()

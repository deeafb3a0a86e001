"""What stands in for methods of pyOpenSSL and pylibsrtp does what they do."""

import pylibsrtp
import pytest
from aiortc.rtcdtlstransport import SRTP_PROFILES, RTCCertificate
from aiortc.rtp import RtcpByePacket, RtpPacket
from OpenSSL import SSL

from rtc_server.transport.encryption import MAX_RECORD_BYTES, MAX_RECORDS, TooManyRecords, decrypt, unseal


@pytest.fixture
def ends() -> tuple[SSL.Connection, SSL.Connection]:
    """Both ends of a DTLS connection after its handshake."""
    server, client = (
        SSL.Connection(RTCCertificate.generateCertificate()._create_ssl_context(SRTP_PROFILES)) for _ in range(2)
    )
    shake_hands(server, client)
    return server, client


def shake_hands(server: SSL.Connection, client: SSL.Connection) -> None:
    server.set_accept_state()
    client.set_connect_state()
    done: set[int] = set()
    while len(done) < 2:
        for index, (end, other) in enumerate(((client, server), (server, client))):
            try:
                end.do_handshake()
                done.add(index)
            except SSL.WantReadError:
                pass
            _carry(end, other)


def seal(end: SSL.Connection, message: bytes) -> bytes:
    """The message as a DTLS record."""
    end.send(message)
    return end.bio_read(MAX_RECORD_BYTES)


def _carry(end: SSL.Connection, other: SSL.Connection) -> None:
    while True:
        try:
            other.bio_write(end.bio_read(MAX_RECORD_BYTES))
        except SSL.WantReadError:
            return


@pytest.mark.parametrize("message", [b"x", b"an update" * 100, bytes(1189)])
def test_messages_pass_both_ways(ends: tuple[SSL.Connection, SSL.Connection], message: bytes) -> None:
    for end, other in (ends, ends[::-1]):
        assert unseal(other, seal(end, message)) == [message]


def test_a_datagram_of_several_records_is_read_to_its_end(ends: tuple[SSL.Connection, SSL.Connection]) -> None:
    end, other = ends
    messages = [b"message %d" % number for number in range(MAX_RECORDS)]
    assert unseal(other, b"".join([seal(end, message) for message in messages])) == messages
    assert unseal(other, seal(end, b"the next")) == [b"the next"]


def test_a_datagram_of_too_many_records_is_an_error(ends: tuple[SSL.Connection, SSL.Connection]) -> None:
    """What nobody reads of it would stay in memory."""
    end, other = ends
    with pytest.raises(TooManyRecords):
        unseal(other, b"".join([seal(end, b"x") for _ in range(MAX_RECORDS + 1)]))


def test_what_is_no_message_is_dropped_and_hurts_nothing(ends: tuple[SSL.Connection, SSL.Connection]) -> None:
    end, other = ends
    record = seal(end, b"once")
    forged = record[:-1] + bytes((record[-1] ^ 1,))
    for nonsense in (b"\x17" + bytes(50), b"\x16\xfe\xfd", forged, record[:-5]):
        assert unseal(other, nonsense) == []
    assert unseal(other, record) == [b"once"]
    assert unseal(other, record) == []
    assert unseal(end, seal(other, b"still here")) == [b"still here"]


def test_a_goodbye_is_heard(ends: tuple[SSL.Connection, SSL.Connection]) -> None:
    end, other = ends
    end.shutdown()
    with pytest.raises(SSL.ZeroReturnError):
        unseal(other, end.bio_read(MAX_RECORD_BYTES))


@pytest.fixture
def sessions() -> tuple[pylibsrtp.Session, pylibsrtp.Session]:
    def session(direction: int) -> pylibsrtp.Session:
        return pylibsrtp.Session(pylibsrtp.Policy(key=bytes(range(30)), ssrc_type=direction))

    return session(pylibsrtp.Policy.SSRC_ANY_OUTBOUND), session(pylibsrtp.Policy.SSRC_ANY_INBOUND)


def test_media_is_decrypted(sessions: tuple[pylibsrtp.Session, pylibsrtp.Session]) -> None:
    sender, receiver = sessions
    packets = [
        RtpPacket(payload_type=97, sequence_number=n % 100, ssrc=7, payload=bytes(n)).serialize() for n in (1, 5, 1110)
    ]
    assert [decrypt(receiver, sender.protect(packet), is_rtcp=False) for packet in packets] == packets
    goodbye = bytes(RtcpByePacket(sources=[7]))
    assert decrypt(receiver, sender.protect_rtcp(goodbye), is_rtcp=True) == goodbye


def test_media_that_is_not_authentic_is_not(sessions: tuple[pylibsrtp.Session, pylibsrtp.Session]) -> None:
    sender, receiver = sessions
    packet = sender.protect(RtpPacket(payload_type=97, sequence_number=9, ssrc=7, payload=b"picture").serialize())
    forged = packet[:-1] + bytes((packet[-1] ^ 1,))
    for nonsense in (forged, packet[:-1], packet[:12], b"\x80" * 1500):
        assert decrypt(receiver, nonsense, is_rtcp=False) is None
        assert decrypt(receiver, nonsense, is_rtcp=True) is None
    assert decrypt(receiver, packet, is_rtcp=False) is not None
    assert decrypt(receiver, packet, is_rtcp=False) is None, "it came before"

"""What a datagram may cost: a stranger's a look at a few bytes, the client's no more than its rate."""

from types import SimpleNamespace
from typing import Any

import pylibsrtp
import pytest
from aioice import stun

from rtc_server.peer.aiortc_guard import datagram_gate
from rtc_server.peer.aiortc_guard.datagram_gate import DatagramGate

CLIENT, STRANGER = ("192.0.2.1", 4000), ("198.51.100.9", 5000)
UFRAG = "oUrs"


class Session:
    """Counts what it is asked to decrypt; knows only what begins with a right SSRC."""

    def __init__(self) -> None:
        self.asked = 0

    def unprotect(self, data: bytes) -> bytes:
        self.asked += 1
        if data[8:12] != b"good":
            raise pylibsrtp.Error("no")
        return data

    unprotect_rtcp = unprotect


class Door:
    """A gate with stand-ins on all sides."""

    def __init__(self) -> None:
        self.passed_on: list[tuple[bytes, Any]] = []
        self.packets: list[bytes] = []
        self.session = Session()
        candidate = SimpleNamespace(host=CLIENT[0], port=CLIENT[1], _network_host=None)
        pair = SimpleNamespace(remote_addr=CLIENT)
        self.protocol = SimpleNamespace(
            datagram_received=lambda data, addr: self.passed_on.append((data, addr)), transactions={b"t" * 12: None}
        )
        pair.protocol = self.protocol
        ice = SimpleNamespace(
            local_username=UFRAG, _remote_candidates=[candidate], _nominated={1: pair}, _check_list=[]
        )
        dtls = SimpleNamespace(_rx_srtp=self.session)
        gate: Any = DatagramGate
        self.gate = gate(self.protocol, ice, dtls, self.packets.append, self.packets.append, self.failed)

    def failed(self, error: Exception) -> None:
        raise error

    def send(self, data: bytes, address: tuple[str, int]) -> None:
        self.protocol.datagram_received(data, address)


def rtp(ssrc: bytes) -> bytes:
    return b"\x80\x61\x00\x01" + bytes(4) + ssrc + bytes(50)


def check(username: str | None, kind: stun.Class = stun.Class.REQUEST, transaction_id: bytes = b"x" * 12) -> bytes:
    message = stun.Message(stun.Method.BINDING, kind, transaction_id)
    if username is not None:
        message.attributes["USERNAME"] = username
    return bytes(message)


@pytest.fixture
def door() -> Door:
    return Door()


def test_strangers_who_guess_at_media_cost_no_decryption(door: Door) -> None:
    for number in range(1000):
        door.send(rtp(number.to_bytes(4, "big")), STRANGER)
    assert door.session.asked == 0


def test_media_from_a_new_address_is_heard_where_its_stream_is_known(door: Door) -> None:
    """As behind a NAT that has just forgotten the client."""
    door.send(rtp(b"good"), CLIENT)
    door.send(rtp(b"good"), STRANGER)
    assert len(door.packets) == 2


def test_a_stranger_who_knows_the_stream_is_tried_so_often_and_takes_nothing_from_the_client(door: Door) -> None:
    door.send(rtp(b"good"), CLIENT)
    for _ in range(5000):
        door.send(rtp(b"good"), STRANGER)
    assert door.session.asked <= 1 + datagram_gate.STRANGE_BURST + datagram_gate.STRANGE_PER_S
    heard = len(door.packets)
    door.send(rtp(b"good"), CLIENT)
    assert len(door.packets) == heard + 1


def test_the_client_is_heard_at_its_rate(door: Door) -> None:
    for _ in range(20_000):
        door.send(rtp(b"good"), CLIENT)
    assert datagram_gate.MEDIA_BURST <= len(door.packets) <= datagram_gate.MEDIA_BURST + datagram_gate.MEDIA_PER_S


@pytest.mark.parametrize(
    "datagram",
    [
        check(None),
        check("theirs:mine"),
        check(None, stun.Class.RESPONSE),
        check(None, stun.Class.ERROR),
        check(f"{UFRAG}:mine", stun.Class.INDICATION),
        check(f"{UFRAG}:mine")[:-5],
        check(f"{UFRAG}:mine") + b"x",
    ],
)
def test_a_check_that_is_not_for_us_is_not_answered(door: Door, datagram: bytes) -> None:
    door.send(datagram, STRANGER)
    assert not door.passed_on


def test_checks_that_are_for_us_go_on_at_their_rate(door: Door) -> None:
    door.send(check(f"{UFRAG}:mine"), STRANGER)
    door.send(check(None, stun.Class.RESPONSE, b"t" * 12), STRANGER)
    assert len(door.passed_on) == 2
    for _ in range(5000):
        door.send(check(f"{UFRAG}:mine"), CLIENT)
    assert len(door.passed_on) <= 2 + datagram_gate.STUN_BURST + datagram_gate.STUN_PER_S

"""What a datagram may cost: a stranger's a look at a few bytes, the client's no more than its rate."""

from types import SimpleNamespace
from typing import Any

import pytest
from aioice import stun

from rtc_server.transport import datagram_gate
from rtc_server.transport.datagram_gate import DatagramGate
from rtc_server.transport.media_allowance import BURST_S, TOLERANCE, MediaAllowance, MediaLimits

CLIENT, STRANGER = ("192.0.2.1", 4000), ("198.51.100.9", 5000)
UFRAG, PASSWORD = "oUrs", "known to the client alone"


class Session:
    """Counts what it is asked to decrypt; knows only what begins with a right SSRC."""

    def __init__(self) -> None:
        self.asked = 0

    def decrypt(self, packet: bytes) -> bytes | None:
        self.asked += 1
        return packet if packet[8:12] == b"good" else None


@pytest.fixture(autouse=True)
def _sessions_decrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datagram_gate, "decrypt", lambda session, packet, *, is_rtcp: session.decrypt(packet))


class Door:
    """A gate with stand-ins on all sides."""

    def __init__(self, media_allowance: MediaAllowance | None = None) -> None:
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
            local_username=UFRAG,
            local_password=PASSWORD,
            _remote_candidates=[candidate],
            _nominated={1: pair},
            _check_list=[],
        )
        dtls = SimpleNamespace(_rx_srtp=self.session)
        gate: Any = DatagramGate
        self.gate = gate(
            self.protocol, ice, dtls, self.packets.append, self.packets.append, self.failed, media_allowance
        )

    def failed(self, error: Exception) -> None:
        raise error

    def send(self, data: bytes, address: tuple[str, int]) -> None:
        self.protocol.datagram_received(data, address)


def rtp(ssrc: bytes, size: int = 62) -> bytes:
    return b"\x80\x61\x00\x01" + bytes(4) + ssrc + bytes(size - 12)


def check(
    username: str | None,
    kind: stun.Class = stun.Class.REQUEST,
    transaction_id: bytes = b"x" * 12,
    password: str | None = None,
) -> bytes:
    message = stun.Message(stun.Method.BINDING, kind, transaction_id)
    if username is not None:
        message.attributes["USERNAME"] = username
    if password is not None:
        message.add_message_integrity(password.encode())
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


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The gate's, which stands still until a test sets it."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(datagram_gate, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.mark.parametrize(
    ("limits", "size", "per_s"),
    [
        pytest.param(MediaLimits(packets_per_s=600), 62, 600, id="packets"),
        pytest.param(MediaLimits(bitrate_kbps=300), 1250, TOLERANCE * 30, id="bytes"),
    ],
)
def test_the_client_is_heard_at_its_rate(clock: SimpleNamespace, limits: MediaLimits, size: int, per_s: float) -> None:
    allowance = MediaAllowance(limits)
    door = Door(allowance)
    for millisecond in range(10_000):
        clock.now = millisecond / 1000
        door.send(rtp(b"good", size), CLIENT)
    assert per_s * 10 <= len(door.packets) <= per_s * (10 + BURST_S)
    assert door.session.asked == len(door.packets), "what is dropped is not decrypted"
    assert allowance.dropped_packets == 10_000 - len(door.packets)


def test_another_socket_is_no_second_allowance(clock: SimpleNamespace) -> None:
    allowance = MediaAllowance(MediaLimits(packets_per_s=100))
    doors = [Door(allowance), Door(allowance)]
    for _ in range(1000):
        for door in doors:
            door.send(rtp(b"good"), CLIENT)
    assert sum(len(door.packets) for door in doors) == 100 * BURST_S


@pytest.mark.parametrize(
    "datagram",
    [
        check(None),
        check("theirs:mine"),
        check(None, stun.Class.RESPONSE),
        check(None, stun.Class.ERROR),
        check(f"{UFRAG}:mine", stun.Class.INDICATION),
        check(f"{UFRAG}:mine"),
        check(f"{UFRAG}:mine", password="a guess"),
        check(f"{UFRAG}:mine", password=PASSWORD)[:-5],
        check(f"{UFRAG}:mine", password=PASSWORD) + b"x",
    ],
)
def test_a_check_that_is_not_for_us_is_not_answered(door: Door, datagram: bytes) -> None:
    door.send(datagram, STRANGER)
    assert not door.passed_on


def test_checks_that_are_for_us_go_on_at_their_rate(door: Door) -> None:
    door.send(check(f"{UFRAG}:mine", password=PASSWORD), STRANGER)
    door.send(check(None, stun.Class.RESPONSE, b"t" * 12), STRANGER)
    assert len(door.passed_on) == 2
    for _ in range(5000):
        door.send(check(f"{UFRAG}:mine"), CLIENT)
    assert len(door.passed_on) <= 2 + datagram_gate.STUN_BURST + datagram_gate.STUN_PER_S


def test_a_client_comes_from_new_addresses_at_their_rate(door: Door, clock: SimpleNamespace) -> None:
    """Each is sent an answer and our own check, whoever is there."""
    clock.now = 100.0
    for port in range(90):
        door.send(check(f"{UFRAG}:mine", password=PASSWORD), ("203.0.113.7", port))
    assert len(door.passed_on) == datagram_gate.ADDRESSES_BURST

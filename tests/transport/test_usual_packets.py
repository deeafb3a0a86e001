"""The short way and aiortc's own, side by side: whatever happens on the network, both leave the same books."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
from aiortc.rtcdtlstransport import State
from aiortc.rtcsctptransport import (
    SCTP_TSN_MODULO,
    USERDATA_MAX_LENGTH,
    WEBRTC_STRING,
    DataChunk,
    ForwardTsnChunk,
    RTCSctpTransport,
    SackChunk,
    serialize_packet,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtc_server.transport import usual_packets
from rtc_server.transport.data_path import run_to_end
from rtc_server.transport.usual_packets import acknowledge, send_message

STREAM = 5
CHUNK_FIELDS = (
    *("flags", "tsn", "stream_id", "stream_seq", "protocol", "user_data"),
    *("_abandoned", "_acked", "_book_size", "_expiry", "_in_flight", "_max_retransmits"),
    *("_misses", "_retransmit", "_sent_count", "_sent_time"),
)
NOT_COMPARED = {
    *("_events", "_lock", "_loop", "_hmac_key", "_t3_handle"),
    *("_RTCSctpTransport__transport", "_RTCSctpTransport__log_debug"),
}


class Loop:
    """Keeps the timer's last delay."""

    def __init__(self) -> None:
        self.delay: float | None = None

    def call_later(self, delay: float, _callback: Any) -> SimpleNamespace:
        self.delay = delay
        return SimpleNamespace(cancel=lambda: None)


class Side:
    """One association, whose packets go nowhere."""

    def __init__(self, first_tsn: int) -> None:
        self.packets: list[bytes] = []
        self.loop = Loop()
        dtls: Any = SimpleNamespace(
            state="connected",
            _state=State.CONNECTED,
            _ssl=self.packets,
            _send_data=self._send_data,
            transport=SimpleNamespace(_connection=None),
        )
        self.sctp = sctp = RTCSctpTransport(dtls)
        sctp._loop = self.loop
        sctp._association_state = RTCSctpTransport.State.ESTABLISHED
        sctp._local_verification_tag, sctp._remote_verification_tag, sctp._remote_port = 11, 12, 5001
        sctp._local_tsn = sctp._reconfig_request_seq = first_tsn
        sctp._last_sacked_tsn = sctp._advanced_peer_ack_tsn = (first_tsn - 1) % SCTP_TSN_MODULO
        sctp._ssthresh = 100_000

    async def _send_data(self, packet: bytes) -> None:
        self.packets.append(packet)

    def books(self) -> dict[str, Any]:
        books = {name: value for name, value in vars(self.sctp).items() if name not in NOT_COMPARED}
        for queue in ("_sent_queue", "_outbound_queue"):
            books[queue] = [[getattr(chunk, field) for field in CHUNK_FIELDS] for chunk in books[queue]]
        forward: ForwardTsnChunk | None = books["_forward_tsn_chunk"]
        books["_forward_tsn_chunk"] = bytes(forward) if forward else None
        return books | {"timer": self.sctp._t3_handle is not None, "delay": self.loop.delay, "sent": self.packets}


def sack(side: Side, cumulative: int, *gaps: tuple[int, int], tag: int = 11) -> bytes:
    """cumulative: of how many messages from the oldest on its way."""
    chunk = SackChunk()
    oldest = side.sctp._sent_queue[0].tsn if side.sctp._sent_queue else side.sctp._local_tsn
    chunk.cumulative_tsn = (oldest + cumulative - 1) % SCTP_TSN_MODULO
    chunk.advertised_rwnd = 100_000
    chunk.gaps = list(gaps)
    return serialize_packet(5001, 5000, tag, chunk)


Action = tuple[str, int]
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(1, USERDATA_MAX_LENGTH)),
        st.tuples(st.just("send reliably"), st.integers(1, 3000)),
        st.tuples(st.just("acknowledge"), st.integers(-1, 5)),
        st.tuples(st.just("lose the first"), st.integers(2, 4)),
        st.tuples(st.just("time out"), st.just(0)),
    ),
    max_size=40,
)


class Both:
    """The same happens to both; `usual` counts what took the short way."""

    def __init__(self, first_tsn: int, clock: SimpleNamespace) -> None:
        self.short, self.aiortcs = Side(first_tsn), Side(first_tsn)
        self.usual = {"send": 0, "acknowledge": 0}
        self._clock = clock

    def act(self, action: Action) -> None:
        self._clock.now += 0.07
        match action:
            case "send", size:
                self._send(b"x" * size)
            case "send reliably", size:
                for side in (self.short, self.aiortcs):
                    run_to_end(side.sctp._send(STREAM, WEBRTC_STRING, b"y" * size))
            case "acknowledge", count:
                self._receive(sack(self.aiortcs, count))
            case "lose the first", last:
                self._receive(sack(self.aiortcs, 0, (2, last)))
            case "time out", _:
                for side in (self.short, self.aiortcs):
                    side.sctp._t3_handle = None
                    side.sctp._t3_expired()

    def _send(self, message: bytes) -> None:
        sctp = self.short.sctp
        if sctp._outbound_queue or sctp._flight_size >= sctp._cwnd or sctp._forward_tsn_chunk is not None:
            return
        self.usual["send"] += 1
        send_message(sctp, STREAM, message, 0)
        run_to_end(self.aiortcs.sctp._send(STREAM, WEBRTC_STRING, message, max_retransmits=0, ordered=False))

    def _receive(self, packet: bytes) -> None:
        if acknowledge(self.short.sctp, packet):
            self.usual["acknowledge"] += 1
        else:
            run_to_end(self.short.sctp._handle_data(packet))
        run_to_end(self.aiortcs.sctp._handle_data(packet))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Stands still between actions. Packets leave unsealed, and coroutines end at once."""
    clock = SimpleNamespace(now=100.0)
    sealed: list[tuple[list[bytes], bytes]] = []
    monkeypatch.setattr(time, "time", lambda: clock.now)
    monkeypatch.setattr(usual_packets, "seal", lambda packets, packet: sealed.append((packets, packet)))
    monkeypatch.setattr(usual_packets, "send_datagram", lambda *_: sealed[-1][0].append(sealed[-1][1]))
    monkeypatch.setattr(asyncio, "ensure_future", run_to_end)
    return clock


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=ACTIONS, first_tsn=st.sampled_from([7, SCTP_TSN_MODULO - 3]))
def test_both_ways_leave_the_same_books(clock: SimpleNamespace, actions: list[Action], first_tsn: int) -> None:
    async def compare() -> None:
        both = Both(first_tsn, clock)
        for action in actions:
            both.act(action)
            assert both.short.books() == both.aiortcs.books()

    with asyncio.Runner() as runner:
        runner.run(compare())


async def test_the_usual_takes_the_short_way(clock: SimpleNamespace) -> None:
    both = Both(7, clock)
    for _ in range(5):
        both.act(("send", 700))
        both.act(("acknowledge", 1))
    both.act(("send", 700))
    both.act(("send", 700))
    both.act(("acknowledge", 1))
    both.act(("acknowledge", 1))
    assert both.usual == {"send": 7, "acknowledge": 7}
    assert both.short.books() == both.aiortcs.books()


async def test_what_is_not_the_usual_changes_nothing(clock: SimpleNamespace) -> None:
    both = Both(7, clock)
    both.act(("send", 700))
    side = both.short
    good = sack(side, 1)
    others = [
        *(sack(side, 1, tag=99), sack(side, 2), sack(side, 0), sack(side, -3), sack(side, 0, (2, 3))),
        *(good[:-1], good + good[12:], good[:-1] + b"\x01", good[:8] + bytes(4) + good[12:], b"", bytes(28)),
        serialize_packet(5001, 5000, 11, DataChunk()),
    ]
    before = side.books()
    assert not [packet for packet in others if acknowledge(side.sctp, packet)]
    assert side.books() == before
    assert acknowledge(side.sctp, good)
    assert not acknowledge(side.sctp, good), "it is done"
    assert not side.sctp._sent_queue


async def test_nothing_is_sent_where_the_connection_has_ended() -> None:
    side = Side(7)
    side.sctp.transport._state = State.CLOSED
    with pytest.raises(ConnectionError):
        send_message(side.sctp, STREAM, b"x", 0)
    assert not side.sctp._sent_queue

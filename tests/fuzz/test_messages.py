"""What a client may say on its data channels: in messages, and in the SCTP packets that carry them."""

import asyncio
import itertools
import json
import struct
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from aiortc import RTCDataChannel, RTCSctpTransport
from aiortc.rtcdtlstransport import State
from aiortc.rtcsctptransport import crc32c
from hypothesis import strategies as st

from rtc_server.channel.data_channels import MetricsChannel
from rtc_server.channel.messages import MAX_MESSAGE_BYTES, ClientMessage
from rtc_server.transport.data_guard import MAX_CHANNELS, MAX_MISORDERED, MAX_STREAMS, guard_data
from tests.fuzz.doors import fuzzed
from tests.fuzz.mutation import damaged_bytes

MESSAGES = [
    b'{"type":"pause"}',
    b'{"version":1,"type":"resume"}',
    b'{"type":"stop"}',
    b'{"type":["stop"]}',
    b'{"type":"calibration_start"}',
    b'{"type":"calibration_point","x":0.5,"y":0.1}',
    b'{"type":"calibration_end"}',
    b'{"type":"calibration_cancel"}',
    b"[" * 5000,
]


class Channel:
    """A data channel that is open, and hears."""

    label, readyState, bufferedAmount = "control", "open", 0  # noqa: N815

    def __init__(self) -> None:
        self.sent: list[str] = []

    def on(self, event: str, listener: object) -> None:
        self.listener = listener

    def send(self, text: str) -> None:
        self.sent.append(text)


@fuzzed(
    st.lists(damaged_bytes(MESSAGES) | st.text(max_size=60) | st.just("x" * (MAX_MESSAGE_BYTES + 1)), max_size=60),
    corpus=[MESSAGES],
)
def test_a_message_is_heard_or_answered_with_an_error(messages: list[bytes | str]) -> None:
    heard: list[ClientMessage] = []
    floods: list[None] = []
    channel = Channel()
    # Two seconds between any two: none is too early.
    times = itertools.count(step=2.0)
    metrics = MetricsChannel(heard.append, lambda: floods.append(None), lambda: next(times))
    metrics.add(channel)
    for message in messages:
        channel.listener(message)
    assert len(heard) + len(channel.sent) == len(messages)
    assert {json.loads(text)["type"] for text in channel.sent} <= {"error"}
    assert floods == []


TAG = 1
CHANNEL_OPEN = struct.pack("!BBHLHH", 3, 0, 0, 0, 7, 0) + b"control"
"""DCEP (RFC 8832): a message of its own protocol, like its acknowledgement."""
FOCUS_OPEN = struct.pack("!BBHLHH", 3, 0x81, 0, 0, 5, 0) + b"focus"
PAYLOADS = [
    (50, CHANNEL_OPEN),
    (50, FOCUS_OPEN),
    (50, b"\x02"),
    *((protocol, message) for protocol in (51, 53) for message in MESSAGES[:6]),
    (56, b"\0"),
    (57, b"\0"),
]


def _chunk(kind: int, body: bytes, flags: int = 0) -> bytes:
    return struct.pack("!BBH", kind, flags, 4 + len(body)) + body + bytes(-len(body) % 4)


@st.composite
def data_chunk(draw: st.DrawFn) -> bytes:
    """A message, or a fragment of one, whose number in the order may be any."""
    protocol, original = draw(st.sampled_from(PAYLOADS))
    body = draw(damaged_bytes([original]))
    number, stream, order = draw(st.integers(0, 40)), draw(st.sampled_from([0, 2, 4, 65535])), draw(st.integers(0, 3))
    return _chunk(0, struct.pack("!LHHL", number, stream, order, protocol) + body, draw(st.sampled_from([3, 7, 0, 1])))


OTHER_CHUNKS = [
    _chunk(1, struct.pack("!LLHHL", 9, 100_000, 65535, 65535, 7)),
    _chunk(3, struct.pack("!LLHH", 5, 100_000, 0, 0)),
    _chunk(3, struct.pack("!LLHHHHHH", 5, 100_000, 2, 1, 2, 3, 5, 9) + bytes(4)),
    _chunk(4, struct.pack("!HH", 1, 8) + b"beat"),
    _chunk(6, b""),
    _chunk(7, struct.pack("!L", 5)),
    _chunk(10, bytes(24)),
    _chunk(11, b""),
    _chunk(130, struct.pack("!HHLLLH", 13, 18, 1, 0, 9, 0)),
    _chunk(192, struct.pack("!LHH", 9, 0, 1)),
]


PARAMETER_WITHOUT_LENGTH = _chunk(4, struct.pack("!HH", 1, 0) + b"beat")
"""Found here: aiortc reads it for ever."""


class Wire:
    """A DTLS transport that takes everything and says nothing."""

    state, _state, _role = "connected", State.CONNECTED, "server"
    _ssl = object()
    transport = SimpleNamespace(_connection=SimpleNamespace(_nominated={}))

    def _register_data_receiver(self, receiver: object) -> None: ...

    _unregister_data_receiver = _register_data_receiver

    async def _send_data(self, data: bytes) -> None: ...


@fuzzed(
    st.lists(data_chunk() | data_chunk() | damaged_bytes(OTHER_CHUNKS), max_size=30),
    corpus=[OTHER_CHUNKS, [PARAMETER_WITHOUT_LENGTH]],
)
def test_data_in_any_order_and_shape_is_survived(chunks: list[bytes]) -> None:
    asyncio.run(_associated(chunks))


async def _associated(chunks: list[bytes]) -> None:
    failures: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    wire: Any = Wire()
    sctp = RTCSctpTransport(wire)
    sctp._local_tsn = 4
    sctp._last_sacked_tsn = sctp._advanced_peer_ack_tsn = 3
    guard_data(sctp, lambda: None)
    metrics = MetricsChannel(lambda message: None, lambda: None, asyncio.get_running_loop().time)
    add: Callable[[RTCDataChannel], None] = metrics.add
    sctp.on("datachannel", add)
    sctp._local_verification_tag = TAG
    await sctp.start(RTCSctpTransport.getCapabilities(), 5000)
    sctp._last_received_tsn = 0
    sctp._set_state(RTCSctpTransport.State.ESTABLISHED)
    for chunk in chunks:
        # An INIT has no tag; of all else a wrong one is dropped unread.
        header = struct.pack("!HHL", 5000, 5000, 0 if chunk[:1] == b"\x01" else TAG)
        checksum = struct.pack("<L", crc32c(header + bytes(4) + chunk))
        packet = header + checksum + chunk
        await sctp._handle_data(packet)
        metrics.update("{}")
    assert len(sctp._data_channels) <= MAX_CHANNELS + 1
    assert len(sctp._inbound_streams) <= MAX_STREAMS + 1
    assert len(sctp._sack_misordered) <= MAX_MISORDERED + 1
    await sctp.stop()
    # What aiortc has set going ends by itself.
    if others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others, timeout=1)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert failures == []

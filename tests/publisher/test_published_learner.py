import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.rtp import RTCP_RTPFB_NACK, RtcpRtpfbPacket

from rtc_server.publisher import aiortc_sender
from rtc_server.publisher.clip_track import ClipTrack
from rtc_server.publisher.encoded_clip import EncodedClip, encode_clip
from rtc_server.publisher.published_learner import PublishedLearner, Update
from rtc_server.publisher.summary import percentile, summary_of
from tests.publisher.clips import encoded_bars, moving_bars
from tests.publisher.endpoint import Endpoint, serving


@pytest.fixture(scope="module")
def clip() -> EncodedClip:
    return encoded_bars(1.0, 30)


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async with serving() as endpoint:
        yield endpoint


async def published(
    endpoint: Endpoint, clip: EncodedClip, *, interrupted: asyncio.Event | None = None, **options: Any
) -> PublishedLearner:
    async with aiohttp.ClientSession() as http:
        learner = PublishedLearner(
            http, endpoint.url, "secret", ClipTrack(clip, loop=interrupted is not None), **options
        )
        await learner.run(interrupted or asyncio.Event(), asyncio.Semaphore())
    return learner


async def test_sends_every_frame_and_hears_of_each(endpoint: Endpoint, clip: EncodedClip) -> None:
    learner = await published(endpoint, clip)

    summary = summary_of(learner, user_id=7)
    assert summary.failed is False
    assert summary.frames_sent == len(clip.pictures)
    # The first frames may come before the data channel they are answered on.
    assert len(clip.pictures) - 3 <= endpoint.frames <= len(clip.pictures)
    assert summary.updates_received == len(learner.latencies_ms) == endpoint.frames
    assert 0 < summary.latency_p50_ms <= summary.latency_p95_ms < 1000
    assert (summary.focus_session_id, summary.end_reason) == ("one", "stopped")
    assert summary.metrics["total_time"] == endpoint.frames / 15
    assert f"30 frames sent, {endpoint.frames} updates" in summary.as_line()


async def test_says_of_each_packet_of_which_layer_it_is(endpoint: Endpoint, clip: EncodedClip) -> None:
    await published(endpoint, clip)
    assert set(endpoint.layers) == {None}
    endpoint.layers.clear()
    await published(endpoint, encode_clip(moving_bars(1.0, 30), layered=True))
    assert set(endpoint.layers) == {(0, 0), (1, 1)}
    assert endpoint.layers.count((1, 1)) >= 13


async def test_says_goodbye_as_a_page_does(endpoint: Endpoint, clip: EncodedClip) -> None:
    await published(endpoint, clip)

    assert endpoint.tokens == ["Bearer secret"]
    assert endpoint.said == ["stop"]
    assert endpoint.deleted == 1


async def test_an_interruption_ends_as_the_clip_s_end_does(endpoint: Endpoint, clip: EncodedClip) -> None:
    interrupted = asyncio.Event()

    def after_five(_update: Update) -> None:
        if endpoint.frames >= 5:
            interrupted.set()

    learner = await published(endpoint, clip, interrupted=interrupted, on_update=after_five)

    assert learner.end_reason == "stopped"
    assert learner.failure is None
    assert endpoint.said == ["stop"]
    assert endpoint.deleted == 1


async def test_a_refusal_is_told_in_the_server_s_words(endpoint: Endpoint, clip: EncodedClip) -> None:
    endpoint.refusal = web.json_response(
        {"type": "about:blank", "title": "Full", "detail": "No room for one more."},
        status=503,
        content_type="application/problem+json",
    )

    learner = await published(endpoint, clip)

    assert learner.failure == f"{endpoint.url} refused: 503 No room for one more."
    assert endpoint.deleted == 0
    assert summary_of(learner, 7).as_line() == f"Learner 7: {learner.failure}"


async def test_nobody_there(clip: EncodedClip) -> None:
    learner = await published(Endpoint(url="http://127.0.0.1:9/whip"), clip)

    assert "http://127.0.0.1:9/whip cannot be reached" in learner.failure


@pytest.mark.parametrize("answer", ["", "not SDP", "v=0\r\n"])
async def test_an_answer_that_is_none(endpoint: Endpoint, clip: EncodedClip, answer: str) -> None:
    endpoint.answer = answer

    learner = await published(endpoint, clip)

    assert "gave an answer that is not valid SDP" in learner.failure
    assert endpoint.deleted == 1


async def test_what_the_server_ends_is_a_failure(endpoint: Endpoint, clip: EncodedClip) -> None:
    endpoint.ends_with = "replaced"

    learner = await published(endpoint, clip)

    assert learner.failure == "The server ended the session: replaced."
    assert endpoint.said == []


async def test_a_keyframe_request_reaches_the_track(endpoint: Endpoint, clip: EncodedClip) -> None:
    asked = asyncio.Event()

    class AskedTrack(ClipTrack):
        def request_keyframe(self) -> None:
            asked.set()

    def ask(_update: Update) -> None:
        (receiver,) = endpoint.peers[0].getReceivers()
        tasks.append(asyncio.ensure_future(receiver._send_rtcp_pli(receiver.getSynchronizationSources()[0].source)))

    tasks: list[asyncio.Future[None]] = []
    async with aiohttp.ClientSession() as http:
        await PublishedLearner(http, endpoint.url, "secret", AskedTrack(clip), on_update=ask).run(
            asked, asyncio.Semaphore()
        )
    await asyncio.gather(*tasks)
    assert asked.is_set()


async def test_only_frames_whole_on_the_wire_are_told() -> None:
    """aiortc's sender still passes each packet to its transport's `_send_rtp`, header first."""
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    sender = peer.addTransceiver("video").sender
    wire: list[bytes] = []

    async def send(data: bytes) -> None:
        wire.append(data)

    sender.transport._send_rtp = send
    told: list[int] = []
    aiortc_sender.on_frame_sent(sender, told.append)
    ssrc = sender._ssrc.to_bytes(4, "big")

    def packet(kind: int, timestamp: int, source: bytes = ssrc) -> bytes:
        return bytes([0x80, kind, 0, 1]) + timestamp.to_bytes(4, "big") + source + b"payload"

    not_last, last, report = 97, 0x80 | 97, 200
    packets = [packet(not_last, 5), packet(last, 6), packet(report, 7), packet(last, 8, b"rtx!"), b""]
    packets += [packet(last, 0xFFFF_FFF0), packet(last, 6), packet(last, 9), packet(last, 6)]
    for data in packets:
        await sender.transport._send_rtp(data)
    await peer.close()

    assert wire == packets
    assert told == [6, 9], "what is sent again does not count"


async def test_a_packet_is_not_sent_again_within_a_round_trip() -> None:
    """aiortc's sender still asks its `_retransmit` for each packet of a NACK, and keeps the round trip in `__rtt`."""
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    sender = peer.addTransceiver("video").sender
    again: list[int] = []
    times = iter([0.0, 0.0, 0.02, 0.11, 0.12, 0.12])

    async def retransmit(sequence: int) -> None:
        again.append(sequence)

    sender._retransmit = retransmit
    aiortc_sender.send_again_as_browsers_do(sender, lambda: next(times))
    assert sender._RTCRtpSender__rtt is None
    sender._RTCRtpSender__rtt = 0.1
    for lost in [[5, 6], [5], [5], [5, 7]]:
        await sender._handle_rtcp_packet(RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK, ssrc=1, media_ssrc=2, lost=lost))
    await peer.close()

    assert again == [5, 6, 5, 7]


def test_percentiles_are_values_that_were_measured() -> None:
    assert percentile([], 50) is None
    assert percentile([3.0], 95) == 3.0
    assert percentile([float(value) for value in range(1, 101)], 95) == 95.0
    assert percentile([2.0, 1.0], 50) == 1.0

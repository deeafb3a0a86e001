import asyncio
from itertools import pairwise

import av
import pytest
from aiortc.mediastreams import MediaStreamError

from rtc_server.publisher.clip_track import ClipTrack, next_in_phase
from rtc_server.publisher.encoded_clip import CLOCK_RATE, FRAMES_PER_S, encode_clip
from tests.publisher.clips import encoded_bars

FAST = 200
"""Frames a second: the clips below last hundredths of a second."""


async def sent_by(track: ClipTrack) -> list[av.Packet]:
    packets = []
    while True:
        try:
            packets.append(await track.recv())
        except MediaStreamError:
            return packets


def is_keyframe(packet: av.Packet) -> bool:
    return not bytes(packet)[0] & 1


async def test_hands_out_the_shared_pictures_at_their_times() -> None:
    clip = encoded_bars(0.05, FAST)
    loop = asyncio.get_running_loop()
    started = loop.time()

    packets = await sent_by(track := ClipTrack(clip))

    assert loop.time() - started >= clip.pictures[-1].time_s
    assert [bytes(packet) for packet in packets] == [picture.data for picture in clip.pictures]
    assert [packet.pts for packet in packets] == [round(picture.time_s * CLOCK_RATE) for picture in clip.pictures]
    assert track.finished.is_set()
    assert track.frames_sent == len(clip.pictures)


async def test_a_duration_ends_it_early() -> None:
    assert len(await sent_by(ClipTrack(encoded_bars(0.05, FAST), duration_s=0.02))) == 4


async def test_a_loop_goes_on_where_the_clip_would() -> None:
    clip = encoded_bars(0.05, FAST)

    packets = await sent_by(ClipTrack(clip, duration_s=0.12, loop=True))

    gaps = {later.pts - earlier.pts for earlier, later in pairwise(packets)}
    assert len(packets) == 24
    assert gaps == {CLOCK_RATE // FAST}
    assert bytes(packets[10]) == clip.pictures[0].data


@pytest.mark.parametrize("now", [0.0, 100.01, 100.03, 5e5])
def test_two_who_keep_a_phase_keep_their_distance_whenever_they_came(now: float) -> None:
    first, second = next_in_phase(0.0, now), next_in_phase(0.02, now + 7.77)

    assert now <= first <= now + 1 / FRAMES_PER_S
    assert (second - first) % (1 / FRAMES_PER_S) == pytest.approx(0.02)


async def test_with_a_phase_it_starts_where_its_phase_is() -> None:
    track = ClipTrack(encoded_bars(0.05, FAST), phase_s=0.03)
    loop = asyncio.get_running_loop()
    await track.recv()

    assert 0.03 <= loop.time() % (1 / FRAMES_PER_S) < 0.05
    track.stop()


async def test_an_empty_clip_ends_at_once() -> None:
    assert await sent_by(ClipTrack(encode_clip([]))) == []


async def test_a_keyframe_is_there_when_asked_for_and_the_rest_decodes() -> None:
    clip = encoded_bars(1.0, 25)
    track = ClipTrack(clip)
    packets = [await track.recv() for _ in range(10)]
    track.request_keyframe()
    answered = [await track.recv() for _ in range(5)]

    assert [is_keyframe(packet) for packet in answered] == [True, False, False, False, False]
    decoder = av.CodecContext.create("vp8", "r")
    assert [len(decoder.decode(av.Packet(bytes(packet)))) for packet in answered] == [1] * 5
    assert not any(is_keyframe(packet) for packet in packets[1:])
    track.stop()


async def test_a_request_that_crossed_a_keyframe_is_answered_by_that_one() -> None:
    track = ClipTrack(encoded_bars(0.05, FAST))
    first = await track.recv()
    track.request_keyframe()
    rest = await sent_by(track)

    assert is_keyframe(first)
    assert not any(is_keyframe(packet) for packet in rest)


async def test_a_request_too_soon_after_a_keyframe_is_answered_a_little_later() -> None:
    track = ClipTrack(encoded_bars(1.0, 25))
    await track.recv()
    track.request_keyframe()
    packets = [await track.recv() for _ in range(12)]
    track.stop()

    assert [is_keyframe(packet) for packet in packets].index(True) == 7
    decoder = av.CodecContext.create("vp8", "r")
    assert [len(decoder.decode(av.Packet(bytes(packet)))) for packet in packets[7:]] == [1] * 5


@pytest.mark.parametrize("asked", [True, False])
async def test_the_clip_s_own_keyframe_ends_the_detour(asked: bool) -> None:
    clip = encoded_bars(4.2, 10)
    track = ClipTrack(clip, duration_s=None)
    # Time is not what is tested here: start as if it had begun long ago.
    await track.recv()
    track._started -= 10
    for _ in range(20):
        await track.recv()
    if asked:
        track.request_keyframe()
    packets = await sent_by(track)

    changed = [bytes(packet) != picture.data for packet, picture in zip(packets, clip.pictures[21:], strict=True)]
    assert any(changed[:19]) == asked
    assert changed[19:] == [False, False]

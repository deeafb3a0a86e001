"""Hostile and broken streams: an answer for each, and the decoder goes on from the next keyframe."""

import dataclasses
import resource

import numpy as np
import pytest

from rtc_server.errors import DecodeFailed
from rtc_server.media.decoder import Decoder
from tests.media.pictures import people, sent


@pytest.fixture(scope="module", params=["vp8", "h264"])
def stream(request):
    return sent([people((left, 100)) for left in range(100, 180, 10)], request.param)


def test_each_frame_comes_out_with_the_packet_that_completes_it(stream):
    decoder = Decoder(stream[0].codec)
    frames = [decoder.decode(encoded) for encoded in stream]
    assert [(frame.width, frame.height) for frame in frames] == [(640, 480)] * len(stream)
    shown = frames[-1].to_ndarray(format="rgb24").astype(int)
    assert np.abs(shown - people((170, 100))).mean() < 8


def test_nothing_is_decoded_before_a_keyframe(stream):
    decoder = Decoder(stream[0].codec)
    with pytest.raises(DecodeFailed):
        decoder.decode(stream[1])
    assert decoder.decode(stream[0])
    assert decoder.decode(stream[1])


@pytest.mark.parametrize("rubbish", [b"\x00", b"rubbish" * 100, bytes(5000), b"\x00\x00\x00\x01\x67"])
def test_after_rubbish_only_a_keyframe_helps(stream, rubbish):
    decoder = Decoder(stream[0].codec)
    with pytest.raises(DecodeFailed):
        decoder.decode(dataclasses.replace(stream[0], data=rubbish))
    with pytest.raises(DecodeFailed):
        decoder.decode(stream[1])
    assert decoder.decode(stream[0])


def test_a_picture_of_8000_by_8000_is_refused_before_memory_is_taken():
    """A small VP8 keyframe whose header lies (RFC 6386, 9.1): 16 bits each for width and height."""
    keyframe = sent([people((200, 120))])[0]
    size = (8000).to_bytes(2, "little")
    lying = dataclasses.replace(keyframe, data=keyframe.data[:6] + size + size + keyframe.data[10:])
    decoder = Decoder("vp8")
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DecodeFailed):
        decoder.decode(lying)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 10_000
    assert decoder.decode(keyframe)


def test_a_change_of_size_comes_with_its_keyframe():
    large, small = sent([people((200, 120))])[0], sent([people((200, 120))[::2, ::2]])[0]
    decoder = Decoder("vp8")
    assert decoder.decode(large).width == 640
    assert decoder.decode(small).width == 320

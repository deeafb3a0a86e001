"""Hostile and broken streams: an answer for each, and the decoder goes on from the next keyframe."""

import contextlib
import dataclasses
import resource
from fractions import Fraction

import av
import numpy as np
import psutil
import pytest

from rtc_server.errors import DecodeFailed
from rtc_server.frame import EncodedFrame
from rtc_server.media.decoder import Decoder
from tests.media.pictures import people, sent


@pytest.fixture(scope="module", params=["vp8", "h264"])
def codec(request):
    return request.param


@pytest.fixture(scope="module")
def stream(codec):
    return sent([people((left, 100)) for left in range(100, 180, 10)], codec)


def test_each_frame_comes_out_with_the_packet_that_completes_it(codec, stream):
    decoder = Decoder(codec)
    frames = [decoder.decode(encoded) for encoded in stream]
    assert [(frame.width, frame.height) for frame in frames] == [(640, 480)] * len(stream)
    shown = frames[-1].to_ndarray(format="rgb24").astype(int)
    assert np.abs(shown - people((170, 100))).mean() < 8


def test_nothing_is_decoded_before_a_keyframe(codec, stream):
    decoder = Decoder(codec)
    with pytest.raises(DecodeFailed):
        decoder.decode(stream[1])
    assert decoder.decode(stream[0])
    assert decoder.decode(stream[1])


@pytest.mark.parametrize("rubbish", [b"\x00", b"rubbish" * 100, bytes(5000), b"\x00\x00\x00\x01\x67"])
def test_after_rubbish_only_a_keyframe_helps(codec, stream, rubbish):
    decoder = Decoder(codec)
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


def h264(profile: str, pixel_format: str, width: int, height: int, frames: int = 1) -> list[EncodedFrame]:
    """Grey pictures, each of which refers to as many others as may be."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, pixel_format
    encoder.time_base, encoder.framerate = Fraction(1, 15), Fraction(15)
    encoder.options = {"preset": "veryfast", "tune": "zerolatency", "profile": profile, "refs": "16"}
    picture = av.VideoFrame(width, height, pixel_format)
    for plane in picture.planes:
        plane.update(bytes(plane.buffer_size))
    packets = []
    for number in range(frames):
        picture.pts = number
        packets += encoder.encode(picture)
    return [EncodedFrame(bytes(packet), packet.is_keyframe, 0, 0.0, 0.0) for packet in packets]


OTHER_PROFILES = [
    ("main", "yuv420p"),
    ("high", "yuv420p"),
    ("high10", "yuv420p10le"),
    ("high422", "yuv422p"),
    ("high444", "yuv444p10le"),
]


@pytest.mark.parametrize(("profile", "pixel_format"), OTHER_PROFILES)
def test_h264_of_a_profile_that_was_not_negotiated_is_refused(profile, pixel_format):
    other = h264(profile, pixel_format, 320, 240)[0]
    baseline = sent([people((200, 120))], "h264")[0]
    decoder = Decoder("h264")
    with pytest.raises(DecodeFailed, match="profile"):
        decoder.decode(other)
    assert decoder.decode(baseline)
    with pytest.raises(DecodeFailed, match="profile"):
        decoder.decode(other)


def test_a_profile_that_comes_later_in_the_stream_is_refused():
    keyframe = sent([people((200, 120))], "h264")[0]
    other = h264("high444", "yuv444p10le", 320, 240)[0]
    hidden = dataclasses.replace(keyframe, data=keyframe.data + other.data, keyframe=False)
    decoder = Decoder("h264")
    assert decoder.decode(keyframe)
    with pytest.raises(DecodeFailed, match="profile"):
        decoder.decode(hidden)


def test_large_deep_h264_takes_no_memory():
    """1080p in 4:4:4 with 10 bits, whose sixteen references took 221 MB."""
    frames = h264("high444", "yuv444p10le", 1920, 1080, 17)
    decoder = Decoder("h264")
    before = psutil.Process().memory_info().rss
    with contextlib.suppress(DecodeFailed):
        for frame in frames:
            decoder.decode(frame)
    assert psutil.Process().memory_info().rss - before < 10_000_000

"""Which frames of a layered stream are decoded, and that what is decoded is whole."""

from collections.abc import Sequence

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtc_server.frame import BASE_LAYER, EncodedFrame, TemporalLayer
from rtc_server.media.frame_analyser import FrameAnalyserFactory
from rtc_server.media.temporal_layers import TemporalLayers
from rtc_server.publisher.encoded_clip import Vp8Encoder, encode_clip
from tests.media.pictures import people, yuv

UPPER, SYNCHRONISED = TemporalLayer(1), TemporalLayer(1, synchronised=True)
CHROMIUM = (BASE_LAYER, SYNCHRONISED, BASE_LAYER, UPPER)
"""What it sends as `L1T2`: the second of the upper layer builds on the first."""


def frames(*layers: TemporalLayer, keyframes: Sequence[int] = (0,)) -> list[EncodedFrame]:
    return [EncodedFrame(b"", n in keyframes, n, n / 15, 0.0, layer) for n, layer in enumerate(layers)]


def decoded(layers: TemporalLayers, *turn: EncodedFrame) -> list[int]:
    return [frame.rtp_timestamp for frame in layers.to_decode(turn)]


def test_without_layers_everything_is_decoded() -> None:
    assert decoded(TemporalLayers(), *frames(*[BASE_LAYER] * 3)) == [0, 1, 2]
    assert decoded(TemporalLayers()) == []


def test_the_upper_layer_is_left_out_where_a_frame_of_the_base_is_the_newest() -> None:
    layers = TemporalLayers()
    stream = frames(*CHROMIUM * 2)
    assert decoded(layers, stream[0]) == [0]
    assert decoded(layers, *stream[1:3]) == [2]
    assert decoded(layers, *stream[3:5]) == [4]


def test_after_a_gap_the_upper_layer_comes_back_where_it_builds_on_the_base_alone() -> None:
    layers = TemporalLayers()
    stream = frames(*CHROMIUM * 2)
    assert decoded(layers, *stream[:3]) == [0, 2]
    assert decoded(layers, stream[3]) == [], "it builds on the one that was left out"
    assert decoded(layers, stream[4]) == [4]
    assert [decoded(layers, frame) for frame in stream[5:]] == [[5], [6], [7]]


def test_where_the_newest_cannot_be_decoded_the_one_before_it_is_shown() -> None:
    layers = TemporalLayers()
    stream = frames(*CHROMIUM)
    layers.to_decode(stream[:3])
    assert decoded(layers, *frames(BASE_LAYER, UPPER, keyframes=())) == [0]


def test_a_keyframe_closes_every_gap() -> None:
    layers = TemporalLayers()
    layers.to_decode(frames(*CHROMIUM)[:3])
    assert decoded(layers, *frames(BASE_LAYER, UPPER)) == [0, 1]


@given(st.lists(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=4)))
def test_nothing_is_decoded_that_builds_on_what_was_left_out(turns: list[list[tuple[int, bool]]]) -> None:
    """A frame builds on the newest of its own layer and of those below; synchronised, on the base alone."""
    layers, whole = TemporalLayers(), {0: True}
    for turn in turns:
        given_frames = frames(
            *(TemporalLayer(index, synchronised=index > 0 and alone) for index, alone in turn), keyframes=()
        )
        taken = {id(frame) for frame in layers.to_decode(given_frames)}
        for frame in given_frames:
            index = frame.layer.index
            builds_on = [0] if frame.layer.synchronised else range(index + 1)
            assert index > 0 or id(frame) in taken, "the base is always decoded"
            if id(frame) in taken:
                assert all(whole.get(below, True) for below in builds_on)
            if frame.layer.synchronised or id(frame) not in taken:
                whole[index] = id(frame) in taken


def test_after_a_keyframe_at_any_place_the_base_alone_is_whole() -> None:
    """A receiver may ask for one at any time."""
    encoder = Vp8Encoder(640, 480, layered=True)
    pictures = [yuv(people((100 + 8 * n, 100))) for n in range(20)]
    sent = [encoder.encode(picture, n / 15, keyframe=n in (0, 7)) for n, picture in enumerate(pictures)]
    assert [picture.layer.index for picture in sent] == [0, 1, 0, 1, 0, 1, 0] + [0, 1] * 6 + [0]
    whole, alone = av.CodecContext.create("vp8", "r"), av.CodecContext.create("vp8", "r")
    for number, one in enumerate(sent):
        (shown,) = whole.decode(av.Packet(one.data))
        if one.layer.index == 0:
            (picture,) = alone.decode(av.Packet(one.data))
            assert np.array_equal(picture.to_ndarray(), shown.to_ndarray()), number


@pytest.mark.parametrize("together", [1, 2, 3, 4])
def test_what_is_shown_is_the_same_with_and_without_the_upper_layer(pool, together: int) -> None:
    """Decoded alone, the base's pictures are the same to the last bit."""
    pictures = [(n / 15, yuv(people((100 + 8 * n, 100)))) for n in range(12)]
    clip = encode_clip(pictures, layered=True)
    stream = [
        EncodedFrame(picture.data, picture.keyframe, n, picture.time_s, 0.0, picture.layer)
        for n, picture in enumerate(clip.pictures)
    ]
    assert [frame.layer.index for frame in stream] == [0, 1] * 6
    decoder = av.CodecContext.create("vp8", "r")
    whole = [decoder.decode(av.Packet(frame.data))[0].to_ndarray() for frame in stream]

    layers, alone = TemporalLayers(), av.CodecContext.create("vp8", "r")
    analyser = FrameAnalyserFactory(pool)("vp8")
    for start in range(0, len(stream), together):
        turn = stream[start : start + together]
        seen = analyser.analyse(turn)
        assert seen is not None
        assert seen.media_time_s == turn[-1].media_time_s
        for frame in layers.to_decode(turn):
            (picture,) = alone.decode(av.Packet(frame.data))
            assert np.array_equal(picture.to_ndarray(), whole[frame.rtp_timestamp])

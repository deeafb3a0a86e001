import av
import pytest

from rtc_server.publisher.encoded_clip import encode_clip, fitted
from tests.publisher.clips import encoded_bars, moving_bars


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1280, 720), (640, 360)),
        ((480, 848), (362, 640)),
        ((640, 480), (640, 480)),
        ((320, 240), (320, 240)),
        ((4000, 10), (640, 2)),
    ],
)
def test_pictures_fit_a_webcam_and_never_grow(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert fitted(*size) == expected


def test_pictures_keep_their_own_times() -> None:
    clip = encode_clip(moving_bars(1.0, 10))

    assert [picture.time_s for picture in clip.pictures] == pytest.approx([index / 10 for index in range(10)])
    assert clip.duration_s == pytest.approx(1.0)


def test_each_picture_decodes_and_keyframes_come_every_few_seconds() -> None:
    clip = encoded_bars(5.0, 5)
    decoder = av.CodecContext.create("vp8", "r")

    decoded = [len(decoder.decode(av.Packet(picture.data))) for picture in clip.pictures]

    assert decoded == [1] * 25
    # The lowest bit of a VP8 frame is 0 for a keyframe (RFC 6386, 9.1).
    assert [picture.keyframe for picture in clip.pictures] == [not picture.data[0] & 1 for picture in clip.pictures]
    assert [index for index, picture in enumerate(clip.pictures) if picture.keyframe] == [0, 20]


def test_a_clip_can_be_cut() -> None:
    assert len(encode_clip(moving_bars(2.0, 15), until_s=0.5).pictures) == 8


def test_no_pictures_make_an_empty_clip() -> None:
    assert encode_clip([]).pictures == ()

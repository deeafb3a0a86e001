"""What is taken out of a decoded picture, against pictures whose pixels are known."""

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import ColorRange

from rtc_server.media.picture import Picture
from rtc_server.media.region import Region
from tests.media.pictures import people, yuv


def test_luma_is_the_decoders_own_plane_without_its_padding():
    frame = av.VideoFrame(358, 202, "yuv420p")  # rows are padded to 384 bytes
    luma = Picture(frame).luma
    assert luma.shape == (202, 358)
    assert luma.base is not None


def test_other_formats_are_converted():
    rgb = people((200, 120))
    assert np.array_equal(Picture(av.VideoFrame.from_ndarray(rgb, format="rgb24")).luma, Picture(yuv(rgb)).luma)


@pytest.mark.parametrize("pixels", ["yuvj420p", "yuv420p"])
def test_a_stream_that_says_it_has_the_full_range_is_brought_to_that_of_video(pixels):
    frame = av.VideoFrame.from_ndarray(np.full((96, 64), 128, np.uint8), format=pixels)
    frame.color_range = ColorRange.JPEG
    for level, luma in ((0, 16), (255, 235)):
        frame.planes[0].update(bytes([level]) * frame.planes[0].buffer_size)
        picture = Picture(frame)
        assert (picture.luma == luma).all()
        assert (picture.rgb() == level).all()


@pytest.mark.parametrize(
    "region",
    [
        Region(320.0, 240.0, 192.0, 0.0),
        Region(333.3, 251.7, 150.2, 0.4),
        Region(310.0, 230.0, 420.5, -1.3),
        Region(40.0, 460.0, 250.0, 0.2),
    ],
    ids=["as it is", "turned and enlarged", "turned and reduced", "beyond the edges"],
)
def test_a_cut_is_what_cutting_the_whole_picture_in_rgb_gives(region):
    """Cut as MediaPipe does it, in perspective. Rounding and the colour's own grid leave a few levels."""
    picture = Picture(yuv(people((200, 120), (0, 240))))
    corners = cv2.boxPoints(((region.x, region.y), (region.size, region.size), np.degrees(region.turn_rad)))
    square = np.array([[0, 192], [0, 0], [192, 0], [192, 192]], np.float32)
    wanted = cv2.warpPerspective(
        picture.rgb(),
        cv2.getPerspectiveTransform(corners.astype(np.float32), square),
        (192, 192),
        borderMode=cv2.BORDER_REPLICATE,
    )
    apart = np.abs(picture.cut(region, 192).astype(int) - wanted)
    assert apart.mean() < 2.5
    assert np.percentile(apart, 99) < 16


def test_a_picture_of_odd_size_is_cut_to_its_last_pixel():
    rgb = np.zeros((121, 161, 3), np.uint8)
    rgb[:, 81:] = (255, 0, 0)
    cut = Picture(yuv(rgb)).cut(Region(160.0, 120.0, 40.0, 0.0), 64)
    assert cut[:, :, 0].min() > 230
    assert cut[:, :, 1:].max() < 25

"""Each measure against a picture whose answer is known."""

import av
import numpy as np
import pytest

from rtc_server.focus.observation import FaceLandmarks
from rtc_server.media.image_quality import coarse_grid, eye_strip, measured, outside
from rtc_server.media.picture import Picture
from rtc_server.media.region import Box
from tests.media.pictures import people, yuv

FACE = Box(0.25, 0.25, 0.75, 0.75)
BLACK, WHITE = 16, 235
"""Luma of video."""


def flat(value, height=480, width=640):
    return np.full((height, width), value, np.uint8)


def test_an_even_grey_is_as_bright_as_it_is_with_no_contrast_and_nothing_sharp():
    quality = measured(flat(BLACK + 73), None, change=1.5)
    assert (quality.brightness, quality.contrast, quality.sharpness, quality.change) == (85.0, 0.0, 0.0, 1.5)


@pytest.mark.parametrize("face", [None, FACE])
@pytest.mark.parametrize(("luma", "level"), [(0, 0.0), (BLACK, 0.0), (WHITE, 255.0)])
def test_black_is_0_and_white_is_255(luma, level, face):
    assert measured(flat(luma), face, 0.0).brightness == pytest.approx(level)


def test_a_sensor_s_noise_is_no_contrast_of_an_empty_picture():
    noise = np.random.default_rng(1).normal(40, 8, (480, 640)).astype(np.uint8)
    assert measured(noise, None, 0.0).contrast < 1.5


def test_half_black_half_white_has_the_most_contrast_there_is():
    luma = flat(BLACK)
    luma[:, 320:] = WHITE
    assert measured(luma, None, 0.0).contrast == pytest.approx(127.5, abs=0.1)


def test_the_face_counts_and_not_the_bright_window_behind_it():
    luma = flat(250)
    luma[120:360, 160:480] = BLACK + 73
    assert measured(luma, FACE, 0.0).brightness == 85.0
    assert measured(luma, None, 0.0).brightness > 150


@pytest.mark.parametrize(("white", "clipped"), [(255, 0.25), (235, 0.25), (232, 0.25), (231, 0.0)])
def test_the_share_of_the_face_that_is_washed_out(white, clipped):
    luma = flat(255)
    luma[120:360, 160:480] = 90
    luma[120:360, 240:320] = white
    assert measured(luma, FACE, 0.0).clipped == clipped


def test_a_white_picture_is_clipped_in_the_range_of_video():
    white = av.VideoFrame.from_ndarray(np.full((480, 640, 3), 255, np.uint8), format="rgb24").reformat(format="yuv420p")
    assert measured(Picture(white).luma, None, 0.0).clipped == 1.0


def test_a_face_outside_the_picture_leaves_the_whole_picture_to_be_measured():
    beyond = Box(5.25, 5.25, 5.75, 5.75)
    assert measured(flat(BLACK + 73), beyond, 0.0).brightness == 85.0


def test_blur_takes_sharpness_away():
    sharp = Picture(yuv(people((200, 120)))).luma.copy()
    blurred = sharp.astype(np.float32)
    for _ in range(3):
        blurred = sum(np.roll(blurred, shift, axis) for axis in (0, 1) for shift in (-3, 0, 3)) / 6
    assert measured(blurred.astype(np.uint8), FACE, 0.0).sharpness < measured(sharp, FACE, 0.0).sharpness / 5


def test_size_alone_changes_little_by_comparison():
    large = yuv(people((200, 120)))
    small = large.reformat(320, 240)
    one, other = (measured(Picture(frame).luma, FACE, 0.0) for frame in (large, small))
    assert other.brightness == pytest.approx(one.brightness, rel=0.02)
    assert other.contrast == pytest.approx(one.contrast, rel=0.05)
    assert 1 / 3 < other.sharpness / one.sharpness < 3, "blur makes it a twentieth"


@pytest.mark.parametrize(("height", "width"), [(480, 640), (640, 480), (1088, 1920), (202, 358), (16, 16), (1, 1)])
def test_the_grid_has_one_shape_for_every_size(height, width):
    grid = coarse_grid(flat(100, height, width))
    assert grid.shape == (24, 32)
    assert (grid == 100).all()


def test_the_cells_outside_faces():
    left_half = Box(-0.5, 0.0, 0.5, 2.0)
    assert outside([]).all()
    assert outside([left_half])[:, 16:].all()
    assert not outside([left_half])[:, :16].any()


@pytest.mark.parametrize(
    ("corners", "rows", "columns"),
    [
        pytest.param([(0.25, 0.5), (0.75, 0.5)], slice(192, 288), slice(112, 528), id="upright"),
        pytest.param([(0.5, 0.25), (0.5, 0.75)], slice(84, 396), slice(284, 356), id="lying on one side"),
    ],
)
def test_the_strip_lies_over_the_eyes(corners, rows, columns):
    points = np.zeros((478, 3), np.float32)
    points[[33, 263], :2] = corners
    luma = flat(0)
    luma[rows, columns] = 200
    strip = eye_strip(luma, FaceLandmarks(points))
    assert strip.size > 100
    assert (strip == 200).all()

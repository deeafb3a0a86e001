"""From encoded frames to an observation, as a peer uses it."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from rtc_server.errors import DecodeFailed
from rtc_server.focus.observation import FaceObservation, StillPicture
from rtc_server.media.frame_analyser import FrameAnalyserFactory
from rtc_server.media.frame_observer import FrameObserver
from tests.media.pictures import people, room, sent, yuv


@pytest.fixture(scope="module")
def analyser_of(pool):
    return FrameAnalyserFactory(pool)


@pytest.fixture(scope="module")
def moving():
    return sent([people((left, 100)) for left in range(100, 180, 10)])


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_a_face_is_observed_where_it_is(analyser_of, codec):
    observation = analyser_of(codec).analyse(sent([people((200, 120))], codec))
    (face,) = observation.faces
    middle = face.points[:, :2].mean(axis=0) * (observation.width, observation.height)
    assert np.abs(middle - (200 + 125, 120 + 125)).max() < 30
    assert (observation.width, observation.height) == (640, 480)


def test_all_frames_are_decoded_and_the_newest_is_observed(analyser_of, moving):
    one_by_one, at_once = analyser_of("vp8"), analyser_of("vp8")
    for encoded in moving:
        last = one_by_one.analyse([encoded])
    newest = at_once.analyse(moving)
    assert newest.media_time_s == last.media_time_s == moving[-1].media_time_s
    assert np.abs(newest.faces[0].points - last.faces[0].points)[:, :2].max() < 0.02


def test_nobody_is_an_observation_too(analyser_of):
    observation = analyser_of("vp8").analyse(sent([room()]))
    assert observation.faces == ()
    assert observation.quality.brightness > 50


def test_nothing_in_nothing_out(analyser_of):
    assert analyser_of("vp8").analyse([]) is None


def test_a_frame_that_is_not_meant_to_be_shown_is_not_observed(analyser_of, moving):
    """VP8's hidden reference frames: the show_frame bit is off (RFC 6386, 9.1)."""
    first, second = moving[:2]
    hidden = dataclasses.replace(second, data=bytes([second.data[0] & ~0x10]) + second.data[1:])
    assert analyser_of("vp8").analyse([first, hidden]).media_time_s == first.media_time_s
    analyser = analyser_of("vp8")
    analyser.analyse([first])
    assert analyser.analyse([hidden]) is None


def test_threads_that_share_the_landmarkers_do_not_meet(analyser_of, moving):
    streams = [moving, sent([people((left, 200)) for left in range(300, 380, 10)])]

    def watch(stream):
        analyser = analyser_of("vp8")
        return [analyser.analyse([encoded]).faces[0].points for encoded in stream]

    alone = [watch(stream) for stream in streams]
    with ThreadPoolExecutor(2) as threads:
        together = list(threads.map(watch, streams))
    assert np.array_equal(alone, together)


@pytest.mark.parametrize(("width", "height"), [(2, 2), (16, 16), (8, 1080), (1920, 8), (1920, 1080), (358, 202)])
def test_any_size_that_decodes_is_observed(pool, width, height):
    picture = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    observation = FrameObserver(pool).observe(yuv(picture), 0.0)
    assert (observation.width, observation.height, observation.faces) == (width, height, ())


def test_a_broken_frame_is_said_and_the_next_keyframe_goes_on(analyser_of, moving):
    analyser = analyser_of("vp8")
    with pytest.raises(DecodeFailed):
        analyser.analyse([moving[0], dataclasses.replace(moving[1], data=b"\x00")])
    with pytest.raises(DecodeFailed):
        analyser.analyse([moving[2]])
    assert analyser.analyse([moving[0]]).faces


def test_a_frozen_picture_has_no_change(analyser_of):
    analyser = analyser_of("vp8")
    keyframe = sent([people((200, 120))])[0]
    analyser.analyse([keyframe])
    assert analyser.analyse([keyframe]).quality.change == 0.0


def test_movement_is_change(analyser_of, moving):
    analyser = analyser_of("vp8")
    analyser.analyse(moving[:1])
    assert analyser.analyse(moving[1:2]).quality.change > 1.0


def test_a_still_picture_may_be_skipped_but_only_when_asked(analyser_of):
    still = sent([people((200, 120))] * 4)
    analyser = analyser_of("vp8")
    seen = [analyser.analyse([frame], skip_if_still=skip) for frame, skip in zip(still, (1, 1, 0, 1), strict=True)]
    assert [type(one) for one in seen] == [FaceObservation, StillPicture, FaceObservation, StillPicture]
    assert seen[1].media_time_s == still[1].media_time_s


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda: people((230, 120)), id="the head moves"),
        pytest.param(room, id="the learner leaves"),
        pytest.param(lambda: people((380, 120), (0, 240)), id="somebody comes"),
        pytest.param(lambda: _eyes_covered(), id="the eyes close"),
    ],
)
def test_what_matters_is_never_still(analyser_of, change):
    frames = sent([people((200, 120)), change()])
    analyser = analyser_of("vp8")
    analyser.analyse(frames[:1])
    assert isinstance(analyser.analyse(frames[1:], skip_if_still=True), FaceObservation)


def test_analysing_late_is_measured_against_what_was_analysed(analyser_of):
    """A slow drift adds up, though no two pictures in a row differ by much."""
    frames = sent([people((200 + step, 120)) for step in range(15)])
    analyser = analyser_of("vp8")
    analyser.analyse(frames[:1])
    seen = [analyser.analyse([encoded], skip_if_still=True) for encoded in frames[1:]]
    assert any(isinstance(one, FaceObservation) for one in seen)


def _eyes_covered():
    """Lids: the strip over both eyes in the colour of the skin above it."""
    picture = people((200, 120))
    face = picture[120:360, 200:440]
    face[95:125, 75:170] = face[88, 120]
    return picture


def test_each_frame_is_counted_once(pool, moving):
    factory = FrameAnalyserFactory(pool)
    analyser, counts = factory("vp8"), factory.counts
    first, second, third, fourth = moving[:4]
    hidden = dataclasses.replace(second, data=bytes([second.data[0] & ~0x10]) + second.data[1:])
    analyser.analyse([first, hidden])
    analyser.analyse([third, fourth])
    assert (counts.decode_s.count, counts.analysis_s.count) == (4, 2)
    assert counts.skipped.read() == {"still": 0, "newer": 1, "hidden": 1, "upper_layer": 0}
    still = sent([people((200, 120))] * 4)
    analyser.close()
    for encoded in still:
        analyser.analyse([encoded], skip_if_still=True)
    skipped = counts.skipped.read()["still"]
    assert skipped >= 1
    assert counts.analysis_s.count + skipped == 2 + 4
    with pytest.raises(DecodeFailed):
        analyser.analyse([dataclasses.replace(first, data=b"rubbish", keyframe=False)] * 3)
    assert counts.analysis_s.count + sum(counts.skipped.read().values()) == 8, "whoever asked for it counts those"

"""The load's learners begin apart."""

from itertools import pairwise

import av
import pytest

from bench.clip import beginning_at
from bench.crowd import Start
from rtc_server.publisher.encoded_clip import CLOCK_RATE, FRAMES_PER_S, EncodedClip
from tests.publisher.clips import encoded_bars


@pytest.fixture(scope="module")
def clip() -> EncodedClip:
    """Three keyframes, four seconds apart."""
    return encoded_bars(10.0, 10)


@pytest.mark.parametrize("learners", [2, 4, 17, 40])
def test_pictures_are_spread_over_a_frame_s_time_however_many_send_them(clip: EncodedClip, learners: int) -> None:
    phases = sorted(Start.of(learner, clip).phase_s * FRAMES_PER_S for learner in range(learners))
    gaps = [later - earlier for earlier, later in pairwise([*phases, phases[0] + 1])]

    assert phases[0] == 0
    assert min(gaps) > 0.5 / learners
    assert max(gaps) < 2 / learners


def test_each_begins_with_a_keyframe_and_all_of_them_are_somebody_s(clip: EncodedClip) -> None:
    assert {Start.of(learner, clip).picture for learner in range(8)} == {0, 40, 80}


def test_one_who_begins_elsewhere_sends_the_same_round(clip: EncodedClip) -> None:
    turned = beginning_at(clip, 40)
    decoder = av.CodecContext.create("vp8", "r")

    assert [picture.data for picture in turned.pictures] == [
        picture.data for picture in clip.pictures[40:] + clip.pictures[:40]
    ]
    assert [round(picture.time_s * CLOCK_RATE) for picture in turned.pictures] == [
        round(picture.time_s * CLOCK_RATE) for picture in clip.pictures
    ]
    assert [len(decoder.decode(av.Packet(picture.data))) for picture in turned.pictures] == [1] * len(clip.pictures)
    assert beginning_at(clip, 0) == clip

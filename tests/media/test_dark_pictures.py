"""A picture too dark to show a face is UNKNOWN, never nobody: from encoded bytes to what is said."""

from collections.abc import Iterable
from contextlib import closing
from itertools import product

import av
import numpy as np
import pytest

from rtc_server.focus.state import FocusState, Reason
from rtc_server.focus.tracker import FocusTracker
from rtc_server.frame import Codec
from rtc_server.media.frame_analyser import FrameAnalyser
from rtc_server.media.landmarker_pool import LandmarkerPool
from tests.media.pictures import Rgb, in_light, people, room, sent

Said = tuple[FocusState, Reason]
STREAMS = [("vp8", False, False), ("vp8", True, False), ("h264", False, False), ("h264", True, True)]
"""Codec, whether black is 0 instead of 16, and whether the stream says so: VP8 cannot."""
every_stream = pytest.mark.parametrize(("codec", "full_range", "marked"), STREAMS)


def grey(level: float) -> Rgb:
    """The same everywhere: what a covered lens shows."""
    return np.full((240, 320, 3), level, np.uint8)


def said(pool: LandmarkerPool, frames: Iterable[av.VideoFrame], codec: Codec, *, marked: bool) -> set[Said]:
    """All that is said of the frames. Nothing is known before them: no face is followed into the dark."""
    tracker = FocusTracker()
    with closing(FrameAnalyser(codec, pool)) as analyser:
        observed = (analyser.analyse([one]) for one in sent(frames, codec, full_range=marked))
        snapshots = [tracker.observe(observation) for observation in observed if observation]
    return {(snapshot.state, snapshot.reason) for snapshot in snapshots}


@every_stream
@pytest.mark.parametrize(("level", "noise"), list(product((0, 9, 28), (0.0, 6.0))))
def test_a_black_picture_or_a_covered_lens_is_low_light(
    pool: LandmarkerPool, codec: Codec, full_range: bool, marked: bool, level: int, noise: float
) -> None:
    frames = [in_light(grey(level), 1.0, noise, full_range=full_range, seed=seed) for seed in range(8)]
    assert said(pool, frames, codec, marked=marked) == {(FocusState.UNKNOWN, Reason.LOW_LIGHT)}


@every_stream
@pytest.mark.parametrize("light", [1.0, 0.5, 0.3, 0.2, 0.14, 0.12, 0.1, 0.085, 0.07, 0.05, 0.03, 0.01])
def test_a_room_that_darkens_step_by_step_never_says_that_nobody_is_there(
    pool: LandmarkerPool, codec: Codec, full_range: bool, marked: bool, light: float
) -> None:
    sitter = people((200, 120))
    heard: set[Said] = set()
    for first in range(0, 12, 4):  # each time anew: what was seen before would help
        frames = [in_light(sitter, light, 3.0, full_range=full_range, seed=first + seed) for seed in range(4)]
        heard |= said(pool, frames, codec, marked=marked)
    states = {state for state, _ in heard}
    assert FocusState.UNFOCUSED not in states, heard
    # Between them the face is at the edge of what can be seen, where each answer but UNFOCUSED is right.
    assert light < 0.2 or states == {FocusState.FOCUSED}, heard
    assert light > 0.07 or states == {FocusState.UNKNOWN}, heard


@every_stream
@pytest.mark.parametrize("light", [1.0, 0.4])
def test_an_empty_room_with_enough_light_is_nobody(
    pool: LandmarkerPool, codec: Codec, full_range: bool, marked: bool, light: float
) -> None:
    frames = [in_light(room(), light, 3.0, full_range=full_range, seed=seed) for seed in range(4)]
    assert said(pool, frames, codec, marked=marked) == {(FocusState.UNFOCUSED, Reason.NO_FACE)}

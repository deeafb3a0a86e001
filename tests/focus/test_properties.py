"""What holds for every sequence of looks at every frame rate."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtc_server.focus.neutral import STEADY_S
from rtc_server.focus.observation import FaceObservation
from rtc_server.focus.state import FocusState, Totals
from rtc_server.focus.tracker import GAP_S, FocusTracker
from tests.focus.meshes import CLEAR, CLOSED, DESK, DOWN, LEFT, RIGHT, SCREEN, TURNED, Shown, acted, mirrored

LOOKS: tuple[Shown, ...] = (SCREEN, LEFT, RIGHT, DOWN, TURNED, CLOSED, DESK, ())
DARK = replace(CLEAR, brightness=3.0)
Scenes = list[tuple[float, Shown]]

_shown = st.sampled_from([*LOOKS, DARK])
steady_scenes = st.lists(st.tuples(st.integers(4, 12).map(lambda n: n / 2), _shown), min_size=1, max_size=6).filter(
    lambda scenes: sum(seconds for seconds, _ in scenes) < STEADY_S
)
"""Each long enough, at two seconds and more, to count whatever the frame rate. Together too short for a steady pose to
be believed, which happens a frame sooner or later and changes all that follows."""
any_scenes = st.lists(st.tuples(st.integers(1, 40).map(lambda n: n / 15), _shown), min_size=1, max_size=12)


def tracked(observations: list[FaceObservation]) -> FocusTracker:
    tracker = FocusTracker()
    for observation in observations:
        tracker.observe(observation)
    tracker.finish()
    return tracker


def changes(scenes: Scenes) -> int:
    return sum(before[1] is not after[1] for before, after in pairwise(scenes))


@settings(deadline=None, max_examples=40)
@given(any_scenes, st.sampled_from([3.0, 7.0, 15.0, 30.0]), st.data())
def test_spans_never_overlap_and_the_sums_are_right(scenes: Scenes, fps: float, data: st.DataObject) -> None:
    frames = list(acted(*scenes, fps=fps))
    kept = [one for one in frames if data.draw(st.integers(0, 9)) or one is frames[0]]
    tracker, before = FocusTracker(), Totals()
    for observation in kept:
        totals = tracker.observe(observation).totals
        assert totals.focused_s >= before.focused_s
        assert totals.unfocused_s >= before.unfocused_s
        assert totals.unknown_s >= before.unknown_s
        before = totals
    totals = tracker.finish().totals
    spans = tracker.spans()
    assert all(span.start_s < span.end_s for span in spans)
    assert all(one.end_s == other.start_s for one, other in pairwise(spans))
    assert all((a.state, a.reason) != (b.state, b.reason) for a, b in pairwise(spans))
    known = sum(span.end_s - span.start_s for span in spans if span.state is not FocusState.UNKNOWN)
    assert totals.focused_s + totals.unfocused_s == pytest.approx(known)
    assert totals.total_s == totals.focused_s + totals.unfocused_s
    assert known + totals.unknown_s == pytest.approx(kept[-1].media_time_s - kept[0].media_time_s)


@settings(deadline=None, max_examples=25)
@given(steady_scenes)
def test_the_frame_rate_moves_totals_by_a_frame_a_change(scenes: Scenes) -> None:
    fast, slow = (tracked(list(acted(*scenes, fps=fps))).snapshot().totals for fps in (30.0, 6.0))
    allowed = (changes(scenes) + 1) / 6 + 0.01
    assert fast.focused_s == pytest.approx(slow.focused_s, abs=allowed)
    assert fast.unfocused_s == pytest.approx(slow.unfocused_s, abs=allowed)
    assert fast.unknown_s == pytest.approx(slow.unknown_s, abs=allowed)


@settings(deadline=None, max_examples=25)
@given(steady_scenes)
def test_dropping_every_second_frame_moves_totals_by_less_than_a_tenth_of_a_second_a_change(scenes: Scenes) -> None:
    frames = list(acted(*scenes))
    every, half = (tracked(frames[::step]).snapshot().totals for step in (1, 2))
    allowed = 0.1 * (changes(scenes) + 1)
    assert every.focused_s == pytest.approx(half.focused_s, abs=allowed)
    assert every.unfocused_s == pytest.approx(half.unfocused_s, abs=allowed)


@settings(deadline=None, max_examples=25)
@given(steady_scenes, st.integers(0, 40), st.floats(GAP_S + 0.1, 600))
def test_a_gap_is_unknown_and_moves_nothing_else(scenes: Scenes, after: int, gap_s: float) -> None:
    scenes = [(seconds, SCREEN if shown is DARK else shown) for seconds, shown in scenes]
    frames = list(acted(*scenes))
    cut = min(after, len(frames) - 1)
    late = [replace(one, media_time_s=one.media_time_s + gap_s) for one in frames[cut:]]
    whole, torn = tracked(frames).snapshot().totals, tracked(frames[:cut] + late).snapshot().totals
    if cut:
        assert torn.unknown_s == pytest.approx(gap_s + 1 / 15)
    # A change that the gap cuts off from its end, or a blink cut in two, is decided without the other half.
    assert torn.focused_s == pytest.approx(whole.focused_s, abs=1.1)
    assert torn.unfocused_s == pytest.approx(whole.unfocused_s, abs=1.1)


@settings(deadline=None, max_examples=25)
@given(steady_scenes)
def test_a_mirror_changes_no_time(scenes: Scenes) -> None:
    frames = list(acted(*scenes))
    flipped = [replace(one, faces=tuple(mirrored(face) for face in one.faces)) for one in frames]
    plain, mirror = tracked(frames), tracked(flipped)
    assert mirror.snapshot().totals.focused_s == pytest.approx(plain.snapshot().totals.focused_s, abs=1e-6)
    assert [span.state for span in mirror.spans()] == [span.state for span in plain.spans()]


@settings(deadline=None, max_examples=25)
@given(steady_scenes, st.sampled_from([0.5, 2.0, 3.0]))
def test_a_larger_picture_changes_nothing(scenes: Scenes, scale: float) -> None:
    frames = list(acted(*scenes))
    scaled = [replace(one, width=int(one.width * scale), height=int(one.height * scale)) for one in frames]
    assert tracked(scaled).spans() == tracked(frames).spans()

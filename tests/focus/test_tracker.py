"""Hand-written sequences of frames, and exactly what they must come to."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from rtc_server.focus.observation import FaceObservation, ImageQuality
from rtc_server.focus.policy import NOTE_TAKING, READING, VIDEO, Policy
from rtc_server.focus.state import FocusSnapshot, FocusState, GazeDirection, Reason, Span, Totals
from rtc_server.focus.tracker import FocusTracker
from tests.focus.meshes import CLEAR, CLOSED, DESK, DOWN, LEFT, RIGHT, SCREEN, TURNED, UP, Look, acted, seen

FRAME_S = 1 / 15


def watched(observations: Iterable[FaceObservation], policy: Policy = READING) -> FocusTracker:
    tracker = FocusTracker(policy)
    for observation in observations:
        tracker.observe(observation)
    tracker.finish()
    return tracker


def watched_on(observations: Iterable[FaceObservation]) -> FocusTracker:
    """Not finished: it goes on."""
    tracker = FocusTracker()
    for observation in observations:
        tracker.observe(observation)
    return tracker


def story(tracker: FocusTracker) -> list[tuple[Reason, float]]:
    """Reasons and how long each lasted, to a twentieth of a second."""
    return [(span.reason, round(20 * (span.end_s - span.start_s)) / 20) for span in tracker.spans()]


@pytest.mark.parametrize(
    ("look", "reason", "direction"),
    [
        (LEFT, Reason.LOOKING_LEFT, GazeDirection.LOOKING_LEFT),
        (RIGHT, Reason.LOOKING_RIGHT, GazeDirection.LOOKING_RIGHT),
        (UP, Reason.LOOKING_UP, GazeDirection.LOOKING_UP),
        (DOWN, Reason.LOOKING_DOWN, GazeDirection.LOOKING_DOWN),
        (TURNED, Reason.HEAD_TURNED, GazeDirection.FACE_TURNED),
        (CLOSED, Reason.EYES_CLOSED, GazeDirection.EYES_CLOSED),
        (DESK, Reason.LOOKING_DOWN, GazeDirection.LOOKING_DOWN),
        ((), Reason.NO_FACE, GazeDirection.NO_FACE),
    ],
)
def test_a_change_is_dated_back_to_when_it_began(look: Look, reason: Reason, direction: GazeDirection) -> None:
    tracker = FocusTracker()
    for observation in acted((6, SCREEN), (2, look)):
        snapshot = tracker.observe(observation)
    assert (snapshot.state, snapshot.reason, snapshot.gaze_direction) == (FocusState.UNFOCUSED, reason, direction)
    for observation in acted((6, SCREEN), (2, look), (4, SCREEN)):
        tracker.observe(observation)
    tracker.finish()
    assert tracker.spans() == (
        Span(0.0, 6.0, FocusState.FOCUSED, Reason.ON_SCREEN),
        Span(6.0, 8.0, FocusState.UNFOCUSED, reason),
        Span(8.0, pytest.approx(12 - FRAME_S), FocusState.FOCUSED, Reason.ON_SCREEN),
    )


def test_the_first_frame_is_judged_at_once_and_its_time_counts() -> None:
    tracker = FocusTracker()
    first = tracker.observe(seen(3.0, LEFT))
    assert (first.state, first.reason) == (FocusState.UNFOCUSED, Reason.LOOKING_LEFT)
    assert first.totals == Totals()
    totals = watched(acted((3, LEFT), (3, SCREEN))).snapshot().totals
    assert (totals.unfocused_s, totals.focused_s) == (pytest.approx(3), pytest.approx(3 - FRAME_S))


@pytest.mark.parametrize(
    ("seconds", "look", "policy"),
    [(0.2, CLOSED, READING), (0.4, CLOSED, READING), (0.9, CLOSED, READING), (0.2, LEFT, READING), (1.8, LEFT, VIDEO)],
)
def test_blinks_and_glances_are_focus(seconds: float, look: Look, policy: Policy) -> None:
    tracker = watched(acted((5, SCREEN), (seconds, look), (5, SCREEN)), policy)
    assert [span.state for span in tracker.spans()] == [FocusState.FOCUSED]


def test_lids_on_their_way_through_a_blink_are_no_look_down() -> None:
    half = replace(SCREEN, openness=0.55)
    blink = [(0.07, half), (0.14, CLOSED), (0.14, half)]
    tracker = watched(acted((3, SCREEN), *blink, (1, SCREEN), *blink, (2, SCREEN)))
    assert [span.state for span in tracker.spans()] == [FocusState.FOCUSED]


def test_a_blink_on_the_way_aside_moves_nothing() -> None:
    tracker = watched(acted((5, SCREEN), (0.2, CLOSED), (3, LEFT)))
    assert story(tracker) == [(Reason.ON_SCREEN, 5.0), (Reason.LOOKING_LEFT, 3.15)]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (READING, [(Reason.ON_SCREEN, 5.0), (Reason.LOOKING_DOWN, 25.0), (Reason.ON_SCREEN, 4.95)]),
        (
            NOTE_TAKING,
            [(Reason.ON_SCREEN, 5.0), (Reason.ON_DESK, 20.0), (Reason.LOOKING_DOWN, 5.0), (Reason.ON_SCREEN, 4.95)],
        ),
    ],
)
def test_notes_may_be_taken_for_a_while(policy: Policy, expected: list[tuple[Reason, float]]) -> None:
    assert story(watched(acted((5, SCREEN), (25, DESK), (5, SCREEN)), policy)) == expected


@pytest.mark.parametrize(
    ("quality", "reason"),
    [
        (replace(CLEAR, brightness=6.0), Reason.LOW_LIGHT),
        (replace(CLEAR, clipped=0.36), Reason.GLARE),
        (replace(CLEAR, brightness=235.0, contrast=1.0, clipped=1.0), Reason.GLARE),
        (replace(CLEAR, contrast=2.0), Reason.LOW_CONTRAST),
        (replace(CLEAR, sharpness=15.0), Reason.BLURRED),
    ],
)
def test_a_flawed_picture_is_unknown_and_moves_nothing_else(quality: ImageQuality, reason: Reason) -> None:
    tracker = watched(acted((4, SCREEN), (3, quality), (4, SCREEN), (2, LEFT)))
    assert story(tracker) == [
        (Reason.ON_SCREEN, 4.0),
        (reason, 3.0),
        (Reason.ON_SCREEN, 4.0),
        (Reason.LOOKING_LEFT, 1.95),
    ]
    totals = tracker.snapshot().totals
    assert (totals.focused_stretches, totals.unfocused_stretches) == (1, 1)


def test_a_highlight_on_a_face_is_no_glare() -> None:
    assert story(watched(acted((3, SCREEN), (3, replace(CLEAR, clipped=0.35))))) == [(Reason.ON_SCREEN, 5.95)]


def test_a_face_too_far_away_is_unknown() -> None:
    assert story(watched(acted((3, replace(SCREEN, size_px=8.0))))) == [(Reason.TOO_SMALL, 2.95)]


def test_a_covered_camera_is_unknown_and_a_lit_empty_room_is_nobody() -> None:
    for covered in ({"brightness": 3.0}, {"brightness": 19.0}, {"brightness": 60.0, "contrast": 1.0}):
        dark = [replace(one, quality=replace(CLEAR, **covered)) for one in acted((3, ()))]
        assert story(watched(dark)) == [(Reason.LOW_LIGHT, 2.95)]
    blank = [replace(one, quality=replace(CLEAR, contrast=0.0, change=0.0)) for one in acted((6, ()))]
    assert story(watched(blank)) == [(Reason.NO_FACE, 5.95)]


def test_the_same_picture_again_and_again_is_unknown_from_when_it_froze() -> None:
    frozen = [
        replace(one, quality=replace(CLEAR, change=0.0 if 5 <= one.media_time_s < 10 else 2.0))
        for one in acted((15, SCREEN))
    ]
    assert story(watched(frozen)) == [(Reason.ON_SCREEN, 5.0), (Reason.FROZEN, 5.0), (Reason.ON_SCREEN, 4.95)]


def looked_at_seldom(observations: Iterable[FaceObservation]) -> FocusTracker:
    """Of each six pictures, after the first three seconds, one is looked at and one is told to be still."""
    tracker = FocusTracker()
    for number, observation in enumerate(observations):
        if number < 45 or number % 6 == 0:
            tracker.observe(observation)
        elif number % 3 == 0:
            tracker.still(observation.media_time_s)
    tracker.finish()
    return tracker


@pytest.mark.parametrize("look", [SCREEN, DOWN, ()], ids=["on the screen", "down", "nobody"])
def test_still_pictures_are_what_the_last_one_that_was_looked_at_is(look: Look) -> None:
    every, seldom = (watch(acted((9, look))).snapshot() for watch in (watched, looked_at_seldom))
    assert (seldom.state, seldom.reason, seldom.face_count) == (every.state, every.reason, every.face_count)
    assert seldom.gaze == every.gaze
    assert seldom.totals.unfocused_s == pytest.approx(every.totals.unfocused_s, abs=6 * FRAME_S)
    assert seldom.totals.focused_s == pytest.approx(every.totals.focused_s, abs=6 * FRAME_S)


def test_a_still_picture_counts_as_time_and_teaches_nothing() -> None:
    tracker = watched_on(acted((6, SCREEN)))
    before, learned = tracker.snapshot(), tracker.neutral
    after = tracker.still(6.2)
    assert after.media_time_s == 6.2
    assert after.totals.focused_s == pytest.approx(before.totals.focused_s + 6.2 - before.media_time_s)
    assert tracker.neutral == learned


def test_what_nobody_saw_is_no_still_picture() -> None:
    """Before the first picture, from the past, in a pause, and after a gap."""
    fresh = FocusTracker()
    assert fresh.still(1.0).reason is Reason.STARTING
    tracker = watched_on(acted((6, SCREEN)))
    said = tracker.snapshot()
    assert tracker.still(5.0) == tracker.still(7.5) == said
    tracker.pause(6.0)
    assert tracker.still(6.1).reason is Reason.PAUSED


def test_a_frozen_camera_stays_frozen_while_its_pictures_are_told_to_be_still() -> None:
    pictures = [replace(one, quality=replace(one.quality, change=0.0)) for one in acted((9, SCREEN))]
    assert looked_at_seldom(pictures).snapshot().reason is watched(pictures).snapshot().reason is Reason.FROZEN


def test_a_camera_that_repeats_each_picture_is_not_frozen() -> None:
    doubled = [
        replace(one, quality=replace(CLEAR, change=0.0 if number % 2 else 2.0))
        for number, one in enumerate(acted((10, SCREEN)))
    ]
    assert story(watched(doubled)) == [(Reason.ON_SCREEN, 9.95)]


def test_a_gap_in_media_time_is_unknown() -> None:
    frames = [one for one in acted((12, SCREEN)) if not 5 < one.media_time_s < 8]
    assert story(watched(frames)) == [(Reason.ON_SCREEN, 5.0), (Reason.NO_FRAMES, 3.0), (Reason.ON_SCREEN, 3.95)]


def test_silence_is_unknown_until_the_next_frame() -> None:
    tracker = FocusTracker()
    for observation in acted((5, SCREEN)):
        tracker.observe(observation)
    said = tracker.silence(10.0)
    assert (said.state, said.reason, said.media_time_s) == (FocusState.UNKNOWN, Reason.NO_FRAMES, 10.0)
    assert said.head is None
    tracker.silence(11.0)
    for observation in acted((2, SCREEN)):
        tracker.observe(replace(observation, media_time_s=observation.media_time_s + 11.5))
    tracker.finish()
    assert story(tracker) == [(Reason.ON_SCREEN, 4.95), (Reason.NO_FRAMES, 6.55), (Reason.ON_SCREEN, 1.95)]


def test_a_pause_is_counted_in_nothing() -> None:
    tracker = FocusTracker()
    frames = list(acted((20, SCREEN)))
    for observation in frames:
        if observation.media_time_s >= 5 and not tracker.snapshot().media_time_s >= 5:
            tracker.pause(5.0)
            assert tracker.snapshot().reason is Reason.PAUSED
        if observation.media_time_s >= 12 and tracker.snapshot().reason is Reason.PAUSED:
            tracker.resume(12.0)
        tracker.observe(observation)
    totals = tracker.finish().totals
    assert story(tracker)[-2:] == [(Reason.PAUSED, 7.0), (Reason.ON_SCREEN, 7.95)]
    assert totals.focused_s == pytest.approx(13, abs=2 * FRAME_S)
    assert totals.unfocused_s == 0


def test_resuming_what_was_not_paused_changes_nothing() -> None:
    tracker = FocusTracker()
    tracker.observe(seen(0.0, SCREEN))
    before = tracker.snapshot()
    tracker.resume(5.0)
    assert tracker.snapshot() == before


def test_a_frame_from_the_past_changes_nothing() -> None:
    tracker = FocusTracker()
    for observation in acted((3, SCREEN)):
        tracker.observe(observation)
    before = tracker.snapshot()
    assert tracker.observe(seen(1.0, LEFT)) is before
    assert tracker.observe(seen(before.media_time_s, LEFT)) is before


def test_nothing_seen_is_starting() -> None:
    snapshot = FocusTracker().snapshot()
    assert (snapshot.state, snapshot.reason) == (FocusState.UNKNOWN, Reason.STARTING)
    assert FocusTracker().finish().totals == Totals()


# -- the learner's own neutral


@pytest.mark.parametrize("pitch", [-10, 0, 10, 21])
def test_a_camera_above_or_below_the_screen_is_no_distraction(pitch: float) -> None:
    look = Look(head_pitch=pitch, gaze_pitch=pitch * 0.6)
    assert story(watched(acted((10, look)))) == [(Reason.ON_SCREEN, 9.95)]


def test_a_distracted_start_does_not_become_the_neutral() -> None:
    assert story(watched(acted((10, TURNED), (10, SCREEN)))) == [(Reason.HEAD_TURNED, 10.0), (Reason.ON_SCREEN, 9.95)]


def test_small_looks_aside_show_once_the_neutral_is_known() -> None:
    aside = replace(SCREEN, gaze_yaw=8.0)
    assert story(watched(acted((20, replace(SCREEN, gaze_yaw=-6.0)), (5, aside)))) == [
        (Reason.ON_SCREEN, 20.0),
        (Reason.LOOKING_RIGHT, 4.95),
    ]


def test_a_camera_beside_the_screen_is_understood_after_a_while() -> None:
    beside = Look(head_yaw=30.0, gaze_yaw=30.0)
    tracker = watched(acted((50, beside), (10, replace(beside, gaze_yaw=0.0)), (5, beside)))
    reasons = [span.reason for span in tracker.spans()]
    assert reasons == [Reason.HEAD_TURNED, Reason.ON_SCREEN, Reason.LOOKING_LEFT, Reason.ON_SCREEN]
    assert tracker.spans()[0].end_s == pytest.approx(30, abs=1.5)


def test_narrow_eyes_are_not_closed() -> None:
    assert story(watched(acted((10, replace(SCREEN, openness=0.65))))) == [(Reason.ON_SCREEN, 9.95)]


# -- whom to watch


def test_a_second_person_is_an_event_and_changes_no_state() -> None:
    friend = replace(LEFT, x=0.2, size_px=70.0)
    tracker = watched(acted((4, SCREEN), (4, (friend, SCREEN)), (4, SCREEN)))
    assert story(tracker) == [(Reason.ON_SCREEN, 11.95)]
    assert tracker.snapshot().totals.multiple_faces_s == pytest.approx(4, abs=0.1)
    assert tracker.multiple_faces_spans() == ((4.0, pytest.approx(8, abs=0.1)),)


def test_a_second_person_is_certain_after_a_moment_and_gone_at_once() -> None:
    tracker = FocusTracker()
    friend = replace(LEFT, x=0.2, size_px=70.0)
    scenes = acted((2, SCREEN), (0.3, (friend, SCREEN)), (1, SCREEN), (2, (friend, SCREEN)), (1, SCREEN))
    changes, there = [], False
    for observation in scenes:
        snapshot = tracker.observe(observation)
        if snapshot.second_person != there:
            there = snapshot.second_person
            changes.append((there, snapshot.media_time_s))
    assert changes == [(True, pytest.approx(3.7, abs=0.1)), (False, pytest.approx(5.3, abs=0.1))]


def test_nobody_is_said_to_be_there_while_nothing_is_seen() -> None:
    friend = replace(LEFT, x=0.2, size_px=70.0)
    tracker = FocusTracker()
    for observation in acted((2, (friend, SCREEN))):
        tracker.observe(observation)
    assert tracker.snapshot().second_person
    assert not tracker.silence(3.0).second_person


def test_a_face_in_the_background_is_no_second_person() -> None:
    tracker = watched(acted((5, (replace(LEFT, x=0.1, size_px=25.0), SCREEN))))
    assert tracker.snapshot().totals.multiple_faces_s == 0
    assert tracker.snapshot().face_count == 1


def test_a_print_on_the_wall_does_not_take_the_learners_place() -> None:
    tracker = watched(
        acted((5, (SCREEN, replace(SCREEN, x=0.1, size_px=30.0))), (4, replace(SCREEN, x=0.1, size_px=30.0)))
    )
    assert story(tracker) == [(Reason.ON_SCREEN, 5.0), (Reason.NO_FACE, 3.95)]


def test_the_learner_may_come_back_elsewhere() -> None:
    tracker = watched(acted((5, SCREEN), (3, ()), (4, replace(SCREEN, x=0.8))))
    assert story(tracker) == [(Reason.ON_SCREEN, 5.0), (Reason.NO_FACE, 3.0), (Reason.ON_SCREEN, 3.95)]


# -- what is said meanwhile


def test_live_totals_only_grow_and_always_add_up() -> None:
    tracker, before = FocusTracker(), Totals()
    for observation in acted((2, SCREEN), (0.2, CLOSED), (2, LEFT), (0.1, SCREEN), (2, LEFT), (2, ()), (1, SCREEN)):
        said: FocusSnapshot = tracker.observe(observation)
        for name in ("focused_s", "unfocused_s", "unknown_s", "focused_stretches", "unfocused_stretches"):
            assert getattr(said.totals, name) >= getattr(before, name)
        assert 0 <= said.confidence <= 1
        before = said.totals


def test_perclos_is_the_share_of_closed_eyes_once_a_third_of_a_minute_was_seen() -> None:
    tracker = FocusTracker()
    for observation in acted((30, SCREEN), (10, replace(SCREEN, openness=0.0))):
        said = tracker.observe(observation)
        assert (said.perclos is None) == (observation.media_time_s < 20 - 1e-9)
    assert said.perclos == pytest.approx(0.25, abs=0.01)
    for observation in acted((120, SCREEN)):
        said = tracker.observe(replace(observation, media_time_s=observation.media_time_s + 40))
    assert said.perclos == 0


def test_a_policy_says_its_name_and_version() -> None:
    assert str(FocusTracker().policy) == "reading/3"


def test_silence_before_the_first_frame_is_unknown_from_the_start() -> None:
    tracker = FocusTracker()
    tracker.silence(1.0)
    said = tracker.silence(3.0)
    assert (said.state, said.reason, said.totals.unknown_s) == (FocusState.UNKNOWN, Reason.NO_FRAMES, 3.0)
    assert story(tracker) == [(Reason.NO_FRAMES, 3.0)]


def test_silence_in_a_pause_is_the_pause() -> None:
    tracker = FocusTracker()
    tracker.observe(seen(0.0, SCREEN))
    tracker.pause(1.0)
    assert tracker.snapshot().reason is Reason.PAUSED
    assert tracker.silence(4.0).reason is Reason.PAUSED
    tracker.resume(6.0)
    assert tracker.snapshot().reason is Reason.NO_FRAMES
    tracker.silence(7.0)
    assert story(tracker) == [(Reason.NO_FRAMES, 1.0), (Reason.PAUSED, 5.0), (Reason.NO_FRAMES, 1.0)]


def test_a_pause_before_the_first_frame_is_the_pause() -> None:
    tracker = FocusTracker()
    tracker.pause(1.0)
    tracker.resume(3.0)
    assert story(tracker) == [(Reason.NO_FRAMES, 1.0), (Reason.PAUSED, 2.0)]

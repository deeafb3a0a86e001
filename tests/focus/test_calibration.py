"""Five dots, and what they say about a screen."""

from dataclasses import replace

import pytest

from rtc_server.errors import CalibrationFailed
from rtc_server.focus.calibration import (
    LONGEST_S,
    MIN_SAMPLES,
    SETTLE_S,
    TARGETS,
    Calibration,
    Calibrator,
    Quality,
    fitted,
)
from rtc_server.focus.state import Angles, FocusState, Reason
from rtc_server.focus.tracker import FocusTracker
from tests.focus.meshes import SCREEN, Look, acted, seen

WIDE = (44.0, 20.0)
"""A 27-inch screen at 70 cm, in degrees."""


def towards(x: float, y: float, extent: tuple[float, float] = WIDE) -> Look:
    """Looking at a place on a screen whose middle is 6° below the camera. The picture is not mirrored."""
    return replace(SCREEN, gaze_yaw=(0.5 - x) * extent[0], gaze_pitch=-6 + (0.5 - y) * extent[1])


def calibrated(extent: tuple[float, float] = WIDE) -> FocusTracker:
    tracker = FocusTracker()
    scenes = [(2.0, towards(x, y, extent)) for x, y in TARGETS]
    for observation in acted(*scenes):
        dot = observation.media_time_s / 2
        if abs(dot - round(dot)) < 1e-6:
            tracker.look_at(*TARGETS[round(dot)])
        tracker.observe(observation)
    tracker.finish_calibration()
    return tracker


def test_the_screens_place_and_extent_are_found() -> None:
    calibration = calibrated().calibration
    assert calibration is not None
    assert (2 * calibration.half_width_deg, 2 * calibration.half_height_deg) == pytest.approx(WIDE, abs=2)
    assert calibration.centre.yaw_deg == pytest.approx(0, abs=1)
    assert calibration.centre.pitch_deg == pytest.approx(-6, abs=1)
    assert calibration.error_deg < 1.5
    assert calibration.quality is Quality.GOOD


@pytest.mark.parametrize(
    ("look", "state"),
    [
        (towards(0.0, 0.5), FocusState.FOCUSED),
        (towards(1.0, 1.0), FocusState.FOCUSED),
        (replace(SCREEN, gaze_yaw=32.0, gaze_pitch=-6.0), FocusState.UNFOCUSED),
    ],
)
def test_a_wide_screen_is_focus_to_its_edges_and_no_further(look: Look, state: FocusState) -> None:
    tracker = calibrated()
    start_s = tracker.snapshot().media_time_s + 0.1
    for observation in acted((2, look)):
        said = tracker.observe(replace(observation, media_time_s=start_s + observation.media_time_s))
    assert said.state is state


def test_without_it_the_edge_of_a_wide_screen_is_a_look_aside() -> None:
    tracker = FocusTracker()
    for observation in acted((5, SCREEN), (2, towards(0.0, 0.5))):
        said = tracker.observe(observation)
    assert said.reason is Reason.LOOKING_RIGHT


def test_a_learner_who_moves_makes_it_drift() -> None:
    tracker = calibrated()
    start_s = tracker.snapshot().media_time_s + 0.1
    for observation in acted((30, towards(0.5, 0.5))):
        tracker.observe(replace(observation, media_time_s=start_s + observation.media_time_s))
    assert not tracker.calibration_drifted
    for observation in acted((120, towards(0.3, 0.5))):
        tracker.observe(replace(observation, media_time_s=start_s + 30 + observation.media_time_s))
    assert tracker.calibration_drifted


def test_eyes_that_wander_make_it_poor_and_change_nothing() -> None:
    gazes = [(0.0, 0.0), (16.0, 8.0), (-4.0, 12.0), (-18.0, -9.0), (2.0, -20.0)]
    calibration = fitted(TARGETS, gazes)
    assert calibration.quality is Quality.POOR
    tracker = FocusTracker()
    tracker.calibrate(calibration)
    assert tracker.calibration is None


def on_screen(x: float, y: float) -> tuple[float, float]:
    """Gaze in degrees towards a place on a screen of 40° by 20°."""
    return (0.5 - x) * 40, (0.5 - y) * 20


def test_dots_after_the_fifth_are_predicted_and_not_fitted() -> None:
    extra = [(0.7, 0.3), (0.3, 0.6)]
    gazes = [on_screen(x, y) for x, y in (*TARGETS, *extra)]
    gazes[5] = (gazes[5][0] + 3.0, gazes[5][1] - 4.0)
    one, two = fitted([*TARGETS, extra[0]], gazes[:6]), fitted([*TARGETS, *extra], gazes)
    assert one.error_deg == pytest.approx(5.0)
    assert two.error_deg == pytest.approx(2.5)
    for calibration in (one, two):
        assert (calibration.half_width_deg, calibration.half_height_deg) == pytest.approx((20.0, 10.0))
        assert (calibration.centre.yaw_deg, calibration.centre.pitch_deg) == pytest.approx((0.0, 0.0))


def test_a_held_out_dot_is_all_that_tells_the_error() -> None:
    gazes = [on_screen(x, y) for x, y in TARGETS]
    gazes[0] = (0.0, 5.0)  # the middle's, which moves the fit by a fifth of it
    held_out = on_screen(0.7, 0.3)
    calibration = fitted([*TARGETS, (0.7, 0.3)], [*gazes, (held_out[0], held_out[1] + 1.0)])
    assert calibration.error_deg == pytest.approx(0.0, abs=1e-9)


def test_of_five_dots_each_is_predicted_from_the_other_four() -> None:
    gazes = [on_screen(x, y) for x, y in TARGETS]
    gazes[0] = (0.0, 5.0)
    # The four corners miss the middle by all 5°; without one corner the fit misses that one by two thirds of it.
    assert fitted(TARGETS, gazes).error_deg == pytest.approx((5 + 4 * 10 / 3) / 5)


@pytest.mark.parametrize("extent", [(0.0, 0.0), (-40.0, 20.0), (40.0, -20.0)])
def test_eyes_that_do_not_follow_the_dots_fail(extent: tuple[float, float]) -> None:
    with pytest.raises(CalibrationFailed):
        calibrated(extent)


def test_eyes_that_are_not_seen_fail() -> None:
    tracker = FocusTracker()
    for number, target in enumerate(TARGETS):
        tracker.look_at(*target)
        tracker.observe(seen(2.0 * number, replace(SCREEN, openness=0.05)))
    with pytest.raises(CalibrationFailed):
        tracker.finish_calibration()
    with pytest.raises(CalibrationFailed):
        tracker.finish_calibration()


def test_dots_in_a_line_say_nothing_of_a_screen() -> None:
    line = [(x, 0.5) for x in (0.1, 0.3, 0.5, 0.7, 0.9)]
    with pytest.raises(CalibrationFailed, match="spread"):
        fitted(line, [on_screen(x, y) for x, y in line])


def test_gaze_counts_once_the_eyes_have_arrived_and_while_they_may_still_be_there() -> None:
    calibrator = Calibrator()
    elsewhere = Angles(50.0, 50.0)
    calibrator.add(elsewhere, 0.0)
    for number, (x, y) in enumerate(TARGETS):
        shown_s = 10.0 * (number + 1)
        calibrator.look_at(x, y, shown_s)
        for _ in range(2 * MIN_SAMPLES):
            calibrator.add(elsewhere, shown_s + SETTLE_S - 0.01)
            calibrator.add(elsewhere, shown_s + LONGEST_S + 0.01)
        for number_seen in range(MIN_SAMPLES):
            calibrator.add(Angles(*on_screen(x, y)), shown_s + (SETTLE_S + 0.01, LONGEST_S - 0.01)[number_seen % 2])
    calibration = calibrator.finish()
    assert calibration.error_deg == pytest.approx(0.0, abs=1e-6)
    assert calibration.half_width_deg == pytest.approx(20.0)


@pytest.mark.parametrize(("usual", "drift_deg"), [((1.0, -6.0), 0.0), ((4.0, -2.0), 5.0), ((-2.0, -10.0), 5.0)])
def test_drift_is_the_distance_from_the_screens_centre(usual: tuple[float, float], drift_deg: float) -> None:
    calibration = Calibration(Angles(1.0, -6.0), half_width_deg=20.0, half_height_deg=10.0, error_deg=1.0)
    assert calibration.drift_deg(Angles(*usual)) == pytest.approx(drift_deg)

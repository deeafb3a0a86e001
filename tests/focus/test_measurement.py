"""Angles and lids of meshes whose truth is known exactly."""

from dataclasses import replace

import numpy as np
import pytest

from rtc_server.focus.geometry.head_pose import direction
from rtc_server.focus.geometry.measurement import FaceMeasurement, measure
from rtc_server.focus.observation import FaceLandmarks
from tests.focus.meshes import HEIGHT, SCREEN, WIDTH, Look, mesh, mirrored, rotation


def measured(look: Look) -> FaceMeasurement:
    return measure(mesh(look), WIDTH, HEIGHT)


@pytest.mark.parametrize("yaw", [-35, -20, 0, 10, 35])
@pytest.mark.parametrize("pitch", [-35, -10, 0, 20])
@pytest.mark.parametrize("roll", [-25, 0, 15])
def test_a_rigid_head_is_read_exactly(yaw: float, pitch: float, roll: float) -> None:
    head = measured(Look(head_yaw=yaw, head_pitch=pitch, head_roll=roll)).head
    forward = -rotation(yaw, pitch, roll)[:, 2]
    assert (head.yaw_deg, head.pitch_deg) == pytest.approx(direction(*forward), abs=0.1)
    assert head.roll_deg == pytest.approx(roll, abs=0.1)


def test_roll_is_positive_clockwise() -> None:
    assert measured(Look(head_pitch=0, head_roll=20)).head.roll_deg == pytest.approx(20, abs=0.1)


@pytest.mark.parametrize("yaw", [-30, -12, 0, 12, 30])
@pytest.mark.parametrize("pitch", [-15, 0, 15])
def test_the_eyes_alone_turn_the_gaze(yaw: float, pitch: float) -> None:
    gaze = measured(Look(head_pitch=0, gaze_yaw=yaw, gaze_pitch=pitch)).gaze
    assert gaze.yaw_deg == pytest.approx(yaw, abs=1.0)
    assert gaze.pitch_deg == pytest.approx(pitch, abs=1.0)


@pytest.mark.parametrize("head_yaw", [-30, -15, 15, 30])
def test_eyes_that_stay_on_the_camera_while_the_head_turns_look_at_the_camera(head_yaw: float) -> None:
    face = measured(Look(head_yaw=head_yaw, head_pitch=0, gaze_yaw=0, gaze_pitch=0))
    assert face.gaze.yaw_deg == pytest.approx(0, abs=1.0)


@pytest.mark.parametrize(("head_yaw", "nearer"), [(30, 0), (-30, 1)])
def test_a_turned_head_hides_an_eye(head_yaw: float, nearer: int) -> None:
    assert measured(Look(head_yaw=head_yaw)).eye_weights[nearer] > 0.95


def test_an_iris_outside_its_eye_is_not_believed() -> None:
    face = mesh(SCREEN)
    face.points[468, 0] += 0.14 * SCREEN.size_px / WIDTH
    stray = measure(face, WIDTH, HEIGHT)
    assert stray.eye_weights[0] < 0.1
    assert stray.eye_trust < 0.6
    assert stray.gaze.yaw_deg == pytest.approx(SCREEN.gaze_yaw, abs=2.0)


@pytest.mark.parametrize("openness", [0.0, 0.5, 1.2])
def test_the_lids_are_read_whatever_the_heads_pitch(openness: float) -> None:
    apertures = [measured(Look(head_pitch=pitch, openness=openness)).apertures[0] for pitch in (-20, 0, 20)]
    assert apertures == pytest.approx([0.29 * openness] * 3, abs=0.01)


LOOK = Look(head_yaw=12, head_pitch=-7, head_roll=8, gaze_yaw=-9, gaze_pitch=4)


def test_a_mirrored_picture_mirrors_the_angles() -> None:
    face, mirror = measured(LOOK), measure(mirrored(mesh(LOOK)), WIDTH, HEIGHT)
    assert mirror.head.yaw_deg == pytest.approx(-face.head.yaw_deg, abs=0.01)
    assert mirror.head.pitch_deg == pytest.approx(face.head.pitch_deg, abs=0.01)
    assert mirror.head.roll_deg == pytest.approx(-face.head.roll_deg, abs=0.01)
    assert mirror.gaze.yaw_deg == pytest.approx(-face.gaze.yaw_deg, abs=0.01)
    assert mirror.gaze.pitch_deg == pytest.approx(face.gaze.pitch_deg, abs=0.01)
    assert mirror.apertures == pytest.approx(face.apertures[::-1], abs=1e-4)


@pytest.mark.parametrize("change", [{"size_px": 30.0}, {"x": 0.1, "y": 0.8}])
def test_neither_distance_nor_place_changes_the_angles(change: dict[str, float]) -> None:
    face, moved = measured(LOOK), measured(replace(LOOK, **change))
    assert np.allclose(
        (moved.head.yaw_deg, moved.head.pitch_deg, moved.gaze.yaw_deg, moved.gaze.pitch_deg),
        (face.head.yaw_deg, face.head.pitch_deg, face.gaze.yaw_deg, face.gaze.pitch_deg),
        atol=0.05,
    )


def test_scaling_the_picture_changes_nothing() -> None:
    face = mesh(LOOK)
    small, large = measure(face, WIDTH, HEIGHT), measure(face, 3 * WIDTH, 3 * HEIGHT)
    assert large.head.yaw_deg == pytest.approx(small.head.yaw_deg, abs=1e-6)
    assert large.gaze.pitch_deg == pytest.approx(small.gaze.pitch_deg, abs=1e-6)
    assert large.eye_distance_px == pytest.approx(3 * small.eye_distance_px)


def test_a_degenerate_mesh_gives_numbers() -> None:
    face = measure(FaceLandmarks(np.full((478, 3), 0.5, np.float32)), WIDTH, HEIGHT)
    assert np.isfinite([face.head.yaw_deg, face.head.pitch_deg, face.gaze.yaw_deg, face.eye_distance_px]).all()


@pytest.mark.parametrize("number", [np.nan, np.inf])
@pytest.mark.parametrize("point", [4, 468], ids=["nose", "iris"])
def test_a_mesh_that_is_not_finite_is_no_face(point: int, number: float) -> None:
    face = mesh(SCREEN)
    face.points[point, 1] = number
    with pytest.raises(ValueError, match="no nearest rotation"):
        measure(face, WIDTH, HEIGHT)

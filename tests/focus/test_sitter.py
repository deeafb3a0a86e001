"""The whole way from pixels: a sitter made by code, seen by MediaPipe, measured and judged."""

from itertools import product

import cv2
import numpy as np
import pytest

from rtc_server.focus.geometry.head_pose import direction, head_pose
from rtc_server.focus.geometry.measurement import FaceMeasurement, measure
from rtc_server.focus.state import FocusState, Reason
from rtc_server.focus.tracker import FocusTracker
from rtc_server.media.face_landmarker import FaceLandmarker
from rtc_server.media.frame_observer import FrameObserver
from rtc_server.media.landmarker_pool import LandmarkerPool
from tests.focus.meshes import rotation
from tests.focus.sitter import HEIGHT, WIDTH, Pose, Rgb, Sitter, find_face
from tests.media.pictures import yuv


@pytest.fixture(scope="module")
def pool():
    pool = LandmarkerPool()
    yield pool
    pool.close()


@pytest.fixture(scope="module")
def landmarker(pool: LandmarkerPool):
    with pool.borrow() as landmarker:
        yield landmarker


@pytest.fixture(scope="module")
def sitter(landmarker: FaceLandmarker) -> Sitter:
    return Sitter(landmarker)


def measured(landmarker: FaceLandmarker, picture: Rgb) -> FaceMeasurement:
    face = find_face(landmarker, picture)
    assert face is not None
    return measure(face, WIDTH, HEIGHT)


def test_head_pose_is_within_four_degrees_of_yaw_and_five_of_pitch(sitter: Sitter, landmarker: FaceLandmarker) -> None:
    face = find_face(landmarker, sitter.picture)
    assert face is not None
    at_rest = head_pose(face.points, WIDTH, HEIGHT).rotation.back
    errors = []
    for yaw, pitch in product((-35, -18, 0, 18, 35), (-35, -12, 12, 35)):
        head = measured(landmarker, sitter.draw(Pose(yaw_deg=yaw, pitch_deg=pitch))).head
        true_yaw, true_pitch = direction(*-(rotation(yaw, pitch) @ at_rest))
        errors.append((abs(head.yaw_deg - true_yaw), abs(head.pitch_deg - true_pitch)))
    mean_yaw, mean_pitch = np.mean(errors, axis=0)
    assert mean_yaw <= 4, errors
    assert mean_pitch <= 5, errors


def test_irises_move_the_gaze_and_not_the_head(sitter: Sitter, landmarker: FaceLandmarker) -> None:
    left, ahead, right = (measured(landmarker, sitter.draw(Pose(iris_right=by))) for by in (-0.12, 0.0, 0.12))
    assert left.gaze.yaw_deg < ahead.gaze.yaw_deg - 4
    assert right.gaze.yaw_deg > ahead.gaze.yaw_deg + 4
    assert max(abs(side.head.yaw_deg - ahead.head.yaw_deg) for side in (left, right)) < 2


def test_lids_close_by_degrees_and_the_head_stays(sitter: Sitter, landmarker: FaceLandmarker) -> None:
    faces = [measured(landmarker, sitter.draw(Pose(lids_closed=by))) for by in (0.0, 0.5, 1.0)]
    apertures = [sum(face.apertures) / 2 for face in faces]
    assert apertures[0] > apertures[1] + 0.03 > apertures[2] + 0.06
    assert max(abs(face.head.pitch_deg - faces[0].head.pitch_deg) for face in faces) < 2


def test_a_small_picture_says_the_same(sitter: Sitter, landmarker: FaceLandmarker) -> None:
    picture = sitter.draw(Pose(yaw_deg=15))
    small = cv2.resize(picture, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA)
    face, large = find_face(landmarker, small), measured(landmarker, picture)
    assert face is not None
    assert measure(face, WIDTH // 2, HEIGHT // 2).head.yaw_deg == pytest.approx(large.head.yaw_deg, abs=2)
    assert measure(face, WIDTH // 2, HEIGHT // 2).gaze.yaw_deg == pytest.approx(large.gaze.yaw_deg, abs=3)


def test_a_mirrored_picture_mirrors_the_angles(sitter: Sitter, landmarker: FaceLandmarker) -> None:
    picture = sitter.draw(Pose(yaw_deg=15, pitch_deg=10))
    face, mirror = measured(landmarker, picture), measured(landmarker, picture[:, ::-1])
    assert mirror.head.yaw_deg == pytest.approx(-face.head.yaw_deg, abs=3)
    assert mirror.head.pitch_deg == pytest.approx(face.head.pitch_deg, abs=3)
    assert mirror.gaze.yaw_deg == pytest.approx(-face.gaze.yaw_deg, abs=5)


def judged(pool: LandmarkerPool, pictures: dict[float, Rgb], seconds: float) -> FocusTracker:
    """Eight frames a second, each picture shown from its time on, with a sensor's grain."""
    observer, tracker, noise = FrameObserver(pool), FocusTracker(), np.random.default_rng(1)
    for number in range(int(8 * seconds)):
        picture = pictures[max(start_s for start_s in pictures if start_s <= number / 8)]
        grainy = np.clip(picture + noise.normal(0, 1, picture.shape), 0, 255).astype(np.uint8)
        observation = observer.observe(yuv(grainy), number / 8)
        assert observation is not None
        tracker.observe(observation)
    tracker.finish()
    return tracker


def test_a_sitter_who_looks_turns_blinks_sleeps_and_leaves(sitter: Sitter, pool: LandmarkerPool) -> None:
    rest, turned, asleep = (sitter.draw(pose) for pose in (Pose(), Pose(yaw_deg=45), Pose(lids_closed=1)))
    room = np.full_like(rest, 120)
    tracker = judged(pool, {0: rest, 2: turned, 4: rest, 5: asleep, 5.25: rest, 6: asleep, 8: rest, 9: room}, 11)
    assert [span.reason for span in tracker.spans()] == [
        Reason.ON_SCREEN,
        Reason.HEAD_TURNED,
        Reason.ON_SCREEN,
        Reason.EYES_CLOSED,
        Reason.ON_SCREEN,
        Reason.NO_FACE,
    ]
    assert [span.start_s for span in tracker.spans()] == pytest.approx([0, 2, 4, 6, 8, 9], abs=0.2)


def test_a_second_sitter_is_seen_and_changes_nothing(sitter: Sitter, pool: LandmarkerPool) -> None:
    left, right = sitter.draw(Pose())[:, 80:320], sitter.draw(Pose(yaw_deg=-10))[:, 80:320]
    alone, two = (np.hstack([left, other]) for other in (np.full_like(right, 120), right))
    tracker = judged(pool, {0: alone, 2: two, 5: alone}, 6)
    assert {span.state for span in tracker.spans()} == {FocusState.FOCUSED}
    assert tracker.snapshot().totals.multiple_faces_s == pytest.approx(3, abs=0.5)


@pytest.mark.parametrize("flaw", ["dim", "blurred"])
def test_a_picture_too_bad_to_judge_is_unknown(sitter: Sitter, pool: LandmarkerPool, flaw: str) -> None:
    good = sitter.draw(Pose())
    bad = {"dim": (good * 0.04).astype(np.uint8), "blurred": cv2.GaussianBlur(good, (0, 0), 5)}[flaw]
    tracker = judged(pool, {0: good, 2: bad}, 4)
    assert [span.state for span in tracker.spans()][-1] is FocusState.UNKNOWN


def test_half_the_light_is_light_enough(sitter: Sitter, pool: LandmarkerPool) -> None:
    tracker = judged(pool, {0: (sitter.draw(Pose()) * 0.3).astype(np.uint8)}, 2)
    assert {span.state for span in tracker.spans()} == {FocusState.FOCUSED}

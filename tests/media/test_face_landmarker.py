"""Faces found and meshed, held against MediaPipe's own class."""

import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest

from rtc_server.media.face_landmarker import FaceLandmarker
from rtc_server.media.landmarker_pool import LandmarkerPool
from rtc_server.media.mediapipe_graph import expanded
from rtc_server.media.mesh_tensors import _REFINEMENT_GRAPH, _numbers
from rtc_server.media.picture import Picture
from tests.media.pictures import people, room, yuv


@pytest.fixture(scope="module")
def face_mesh():
    """MediaPipe's own class, as its documentation builds it: a new one for each stream."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mediapipe.python.solutions.face_mesh import FaceMesh

        mesh = FaceMesh(refine_landmarks=True, max_num_faces=1)

        def points(picture):
            faces = mesh.process(picture.rgb()).multi_face_landmarks
            return faces and np.array([(point.x, point.y, point.z) for point in faces[0].landmark], np.float32)

        yield points
        mesh.close()


LIPS = set(_numbers("indexes_mapping", re.split(r"\brefinement {", expanded(_REFINEMENT_GRAPH))[2]))


def test_landmarks_are_face_meshs_own_to_a_fifth_of_a_pixel(landmarker, face_mesh):
    """Over a face that moves, where each region comes from the landmarks before; the rest is rounding of pixels."""
    region = None
    for left in range(100, 240, 20):
        picture = Picture(yuv(people((left, 100))))
        mesh = landmarker.mesh(picture, region or landmarker.find(picture)[0])
        apart = (mesh.landmarks.points - face_mesh(picture)) * (picture.width, picture.height, picture.width)
        assert np.abs(apart).mean() < 0.2
        assert np.abs(apart[468:, :2]).mean() < 0.2
        far = np.flatnonzero(np.abs(apart).max(axis=1) > 1.0)
        assert set(far) <= LIPS  # of which FaceMesh has a finer look, and nothing here reads them
        region = mesh.region


@pytest.mark.parametrize("turn_deg", [-40, 25])
def test_a_tilted_head_is_followed_as_face_mesh_follows_it(landmarker, face_mesh, turn_deg):
    picture = Picture(yuv(tilted(turn_deg)))
    region = landmarker.find(picture)[0]
    for _ in range(3):
        mesh, theirs = landmarker.mesh(picture, region), face_mesh(picture)
        region = mesh.region
    apart = (mesh.landmarks.points - theirs) * (picture.width, picture.height, picture.width)
    assert np.abs(apart).mean() < 0.3
    assert np.degrees(region.turn_rad) == pytest.approx(turn_deg, abs=10)


def test_the_box_holds_all_landmarks_and_the_region_half_as_much_again(landmarker):
    picture = Picture(yuv(people((200, 120))))
    mesh = landmarker.mesh(picture, landmarker.find(picture)[0])
    x, y = mesh.landmarks.points[:, 0], mesh.landmarks.points[:, 1]
    assert (mesh.box.left, mesh.box.top, mesh.box.right, mesh.box.bottom) == (x.min(), y.min(), x.max(), y.max())
    assert mesh.region.size == pytest.approx(1.5 * max(640 * np.ptp(x), 480 * np.ptp(y)))


def test_nothing_stays_from_one_stream_to_the_next(landmarker):
    fresh = FaceLandmarker()
    for rgb in (people((0, 0)), room(), people((400, 240))):
        for region in landmarker.find(Picture(yuv(rgb))):
            landmarker.mesh(Picture(yuv(rgb)), region)
    picture = Picture(yuv(people((200, 120))))
    region = fresh.find(picture)[0]
    assert landmarker.find(picture)[0] == region
    assert np.array_equal(
        landmarker.mesh(picture, region).landmarks.points, fresh.mesh(picture, region).landmarks.points
    )
    fresh.close()


def test_nobody_is_found_in_an_empty_room(landmarker):
    assert landmarker.find(Picture(yuv(room()))) == []


def test_a_region_that_the_face_has_left_holds_no_mesh(landmarker):
    region = landmarker.find(Picture(yuv(people((200, 120)))))[0]
    assert landmarker.mesh(Picture(yuv(room())), region) is None


def tilted(degrees):
    """A portrait turned about its middle, clockwise as seen."""
    turn = cv2.getRotationMatrix2D((320, 240), -degrees, 1.0)
    return cv2.warpAffine(people((200, 120)), turn, (640, 480), borderMode=cv2.BORDER_REPLICATE)


def test_work_is_done_on_the_calling_thread():
    before = _threads()
    landmarker = FaceLandmarker()
    picture = Picture(yuv(people((200, 120))))
    landmarker.mesh(picture, landmarker.find(picture)[0])
    assert _threads() == before
    landmarker.close()


def _threads():
    """Native ones too."""
    return {task.name for task in Path("/proc/self/task").iterdir()}


_FACE_IN_A_FRESH_PROCESS = """
import os, sys
from rtc_server.media.face_landmarker import FaceLandmarker
from rtc_server.media.picture import Picture
from tests.media.pictures import people, yuv
landmarker = FaceLandmarker()
picture = Picture(yuv(people((200, 120))))
assert landmarker.mesh(picture, landmarker.find(picture)[0])
os.write(2, b"said by another\\n")
print(*sorted(sys.modules))
"""


def test_a_fresh_process_stays_quiet_and_loads_the_compiled_part_alone():
    done = subprocess.run([sys.executable, "-c", _FACE_IN_A_FRESH_PROCESS], capture_output=True, text=True, check=True)
    assert done.stderr == "said by another\n"
    assert not {"matplotlib", "mediapipe.tasks", "jax"} & set(done.stdout.split())


def test_what_others_say_while_a_landmarker_is_made_is_not_lost(capfd, monkeypatch):
    warm_up = FaceLandmarker._warm_up

    def talking(self):
        os.write(2, b"somebody else's line\n")
        warm_up(self)

    monkeypatch.setattr(FaceLandmarker, "_warm_up", talking)
    FaceLandmarker().close()
    assert capfd.readouterr().err == "somebody else's line\n"


def test_the_pool_lends_the_same_landmarker_again_and_a_second_one_only_meanwhile():
    pool = LandmarkerPool()
    with pool.borrow() as first, pool.borrow() as second:
        assert second is not first
    with pool.borrow() as again:
        assert again is first
    pool.close()


def test_a_landmarker_that_failed_is_not_lent_again():
    pool = LandmarkerPool()
    with pytest.raises(RuntimeError), pool.borrow() as failing:
        raise RuntimeError
    with pool.borrow() as another:
        assert another is not failing
    pool.close()


def test_a_pool_closed_meanwhile_takes_none_back():
    pool = LandmarkerPool()
    with pool.borrow() as lent:
        pool.close()
    with pytest.raises(RuntimeError):
        lent.find(Picture(yuv(room())))

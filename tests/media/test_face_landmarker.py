"""The one module that knows MediaPipe, held against the class it stands in for."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from rtc_server.media.face_landmarker import FaceLandmarker
from rtc_server.media.landmarker_pool import LandmarkerPool
from tests.media.pictures import people, room


@pytest.fixture(scope="module")
def face_mesh():
    """MediaPipe's own class, as its documentation builds it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mediapipe.python.solutions.face_mesh import FaceMesh

        mesh = FaceMesh(refine_landmarks=True, max_num_faces=1)

        def points(picture):
            faces = mesh.process(picture).multi_face_landmarks
            return faces and np.array([(point.x, point.y, point.z) for point in faces[0].landmark], np.float32)

        yield points
        mesh.close()


def test_landmarks_are_face_meshs_own_to_the_bit(landmarker, face_mesh):
    """Over a face that moves, where each region comes from the landmarks before."""
    region = None
    for left in range(100, 240, 20):
        rgb = people((left, 100))
        picture = landmarker.picture(rgb)
        mesh = landmarker.mesh(picture, region or landmarker.find(picture)[0].region)
        assert np.array_equal(mesh.landmarks.points, face_mesh(rgb))
        region = mesh.region


def test_nothing_stays_from_one_stream_to_the_next(landmarker):
    fresh = FaceLandmarker()
    for rgb in (people((0, 0)), room(), people((400, 240))):
        landmarker.find(landmarker.picture(rgb))
    picture = landmarker.picture(people((200, 120)))
    region = fresh.find(picture)[0].region
    assert np.array_equal(
        landmarker.mesh(picture, region).landmarks.points, fresh.mesh(picture, region).landmarks.points
    )
    fresh.close()


def test_nobody_is_found_in_an_empty_room(landmarker):
    assert landmarker.find(landmarker.picture(room())) == []


def test_a_region_that_the_face_has_left_holds_no_mesh(landmarker):
    picture = landmarker.picture(people((200, 120)))
    region = landmarker.find(picture)[0].region
    assert landmarker.mesh(landmarker.picture(room()), region) is None


def test_a_picture_is_not_copied_and_so_must_not_change(landmarker):
    rgb = room()
    landmarker.picture(rgb)
    with pytest.raises(ValueError, match="read-only"):
        rgb[0, 0] = 0


def test_rows_with_padding_are_read_without_it(landmarker):
    plain = people((150, 120))[:, :598]
    padded = np.zeros((480, 600, 3), np.uint8)
    padded[:, :598] = plain
    pictures = [landmarker.picture(rgb) for rgb in (plain.copy(), padded[:, :598])]
    region = landmarker.find(pictures[0])[0].region
    one, other = (landmarker.mesh(picture, region).landmarks.points for picture in pictures)
    assert np.array_equal(one, other)


def test_work_is_done_on_the_calling_thread():
    before = _threads()
    landmarker = FaceLandmarker()
    picture = landmarker.picture(people((200, 120)))
    landmarker.mesh(picture, landmarker.find(picture)[0].region)
    assert _threads() == before
    landmarker.close()


def _threads():
    """Native ones too."""
    return {task.name for task in Path("/proc/self/task").iterdir()}


_FACE_IN_A_FRESH_PROCESS = """
import os, sys
from rtc_server.media.face_landmarker import FaceLandmarker
from tests.media.pictures import people
landmarker = FaceLandmarker()
picture = landmarker.picture(people((200, 120)))
assert landmarker.mesh(picture, landmarker.find(picture)[0].region)
os.write(2, b"said by another\\n")
print(*sorted(sys.modules))
"""


def test_a_fresh_process_stays_quiet_and_loads_the_compiled_part_alone():
    done = subprocess.run([sys.executable, "-c", _FACE_IN_A_FRESH_PROCESS], capture_output=True, text=True, check=True)
    assert done.stderr == "said by another\n"
    assert not {"cv2", "matplotlib", "mediapipe.tasks", "jax"} & set(done.stdout.split())


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
        lent.find(lent.picture(room()))

"""Known angles on any face."""

import av
import numpy as np
import pytest

from bench.sitters import errors
from rtc_server.media.face_landmarker import FaceLandmarker
from tests.camera import portrait
from tests.focus.sitter import FACE_HEIGHT, HEIGHT, WIDTH, Sitter, find_face


@pytest.fixture(scope="module")
def landmarker():
    landmarker = FaceLandmarker()
    yield landmarker
    landmarker.close()


def test_any_portrait_becomes_a_sitter_in_the_middle_whose_head_is_read_right(landmarker: FaceLandmarker) -> None:
    sitter = Sitter(landmarker, portrait((60.0, 20.0)))
    face = find_face(landmarker, sitter.picture)
    assert face is not None
    assert np.ptp(face.points[:468, 1]) * HEIGHT == pytest.approx(FACE_HEIGHT, rel=0.1)
    assert face.points[:468, 0].mean() * WIDTH == pytest.approx(WIDTH / 2, abs=20)
    found = errors(sitter, landmarker)
    assert found["head_yaw_deg"] < 4
    assert found["head_pitch_deg"] < 5
    assert found["lids_ranked"]
    assert found["faces_missed"] == 0


def test_without_a_face_there_is_no_sitter(landmarker: FaceLandmarker) -> None:
    empty = av.VideoFrame(320, 240, "rgb24").to_ndarray()
    with pytest.raises(ValueError, match="no face"):
        Sitter(landmarker, np.zeros_like(empty))

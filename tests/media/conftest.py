import pytest

from rtc_server.media.face_landmarker import FaceLandmarker
from rtc_server.media.landmarker_pool import LandmarkerPool


@pytest.fixture(scope="session")
def landmarker():
    """One for all tests: it keeps nothing between pictures (test_face_landmarker)."""
    landmarker = FaceLandmarker()
    yield landmarker
    landmarker.close()


@pytest.fixture(scope="session")
def pool():
    pool = LandmarkerPool()
    yield pool
    pool.close()

"""Whom the tracker follows, and how often it pays for a search of the whole picture."""

import numpy as np
import pytest

from rtc_server.focus.observation import FaceLandmarks
from rtc_server.media.face_mesh import MeshedFace
from rtc_server.media.face_tracker import MAX_FACES, SEARCH_INTERVAL_S, FaceTracker
from rtc_server.media.image_quality import coarse_grid
from rtc_server.media.picture import Picture
from rtc_server.media.region import Box, Region
from tests.media.pictures import people, room, yuv

STILL = np.full((24, 32), 100, np.float32)


class Blank:
    """A picture that nobody looks into: regions and boxes are the same numbers."""

    width = height = 1


class ScriptedLandmarker:
    """Faces are squares that stand where the script says; a region is around the middle of one."""

    def __init__(self):
        self.middles = []
        self.searches = self.meshes = 0

    def find(self, picture):
        self.searches += 1
        return [Region(*middle, 0.2, 0.0) for middle in self.middles]

    def mesh(self, picture, region):
        self.meshes += 1
        near = [middle for middle in self.middles if abs(middle[0] - region.x) < 0.1]
        if not near:
            return None
        x, y = near[0]
        box = Box(x - 0.1, y - 0.1, x + 0.1, y + 0.1)
        return MeshedFace(FaceLandmarks(np.empty((0, 3), np.float32)), box, Region(x, y, 0.2, 0.0))


@pytest.fixture
def scene():
    return ScriptedLandmarker()


def watch(tracker, scene, seconds, start_s=0.0, grid=STILL):
    for frame in range(round(seconds * 15)):
        faces = tracker.follow(scene, Blank, grid, start_s + frame / 15)
    return faces


def test_one_learner_alone_costs_one_mesh_a_picture_and_a_search_now_and_then(scene):
    scene.middles = [(0.5, 0.5)]
    watch(FaceTracker(), scene, seconds=20)
    assert scene.meshes == 20 * 15
    assert scene.searches <= 20 / SEARCH_INTERVAL_S + 1


def test_somebody_who_comes_in_is_found_as_soon_as_the_picture_changes_there(scene):
    tracker = FaceTracker()
    scene.middles = [(0.5, 0.5)]
    watch(tracker, scene, seconds=1)
    scene.middles.append((0.85, 0.5))
    changed = STILL.copy()
    changed[8:16, 26:30] += 40
    assert len(tracker.follow(scene, Blank, changed, 1.0)) == 2


def test_a_room_that_keeps_moving_is_searched_ever_less_often_until_it_rests(scene):
    tracker, other = FaceTracker(), STILL.copy()
    other[:, :12] += 40
    scene.middles = [(0.5, 0.5)]
    for second in range(20):
        for frame in range(15):
            tracker.follow(scene, Blank, (STILL, other)[frame % 2], second + frame / 15)
    assert scene.searches <= 20 / SEARCH_INTERVAL_S + 4

    watch(tracker, scene, seconds=4 * SEARCH_INTERVAL_S + 1, start_s=20)
    scene.middles.append((0.15, 0.5))
    assert len(watch(tracker, scene, seconds=0.5, start_s=21 + 4 * SEARCH_INTERVAL_S, grid=other)) == 2


def test_movement_of_the_learner_alone_is_no_reason_to_search(scene):
    tracker = FaceTracker()
    scene.middles = [(0.5, 0.5)]
    watch(tracker, scene, seconds=1)
    moved = STILL.copy()
    moved[8:, 11:21] += 40
    watch(tracker, scene, seconds=0.9, start_s=1.0, grid=moved)
    assert scene.searches == 1


def test_a_camera_that_sets_its_exposure_is_no_reason_to_search(scene):
    tracker = FaceTracker()
    scene.middles = [(0.5, 0.5)]
    watch(tracker, scene, seconds=1)
    watch(tracker, scene, seconds=0.9, start_s=1.0, grid=STILL + 40)
    assert scene.searches == 1


def test_a_newcomer_whom_no_change_gave_away_is_found_at_the_next_search(scene):
    tracker = FaceTracker()
    scene.middles = [(0.5, 0.5)]
    watch(tracker, scene, seconds=0.5)
    scene.middles.append((0.85, 0.5))
    assert len(watch(tracker, scene, seconds=SEARCH_INTERVAL_S + 0.1, start_s=0.5)) == 2


def test_a_lost_face_is_looked_for_in_the_same_picture(scene):
    tracker = FaceTracker()
    scene.middles = [(0.2, 0.5)]
    watch(tracker, scene, seconds=1)
    scene.middles = [(0.8, 0.5)]
    assert len(tracker.follow(scene, Blank, STILL, 1.0)) == 1


def test_who_has_left_is_gone_in_the_same_picture(scene):
    tracker = FaceTracker()
    scene.middles = [(0.2, 0.5), (0.8, 0.5)]
    assert len(watch(tracker, scene, seconds=1)) == 2
    scene.middles.pop()
    assert len(tracker.follow(scene, Blank, STILL, 1.0)) == 1


def test_two_regions_that_ran_together_are_one_face(scene):
    tracker = FaceTracker()
    scene.middles = [(0.40, 0.5), (0.62, 0.5)]
    assert len(watch(tracker, scene, seconds=1)) == 2
    scene.middles = [(0.5, 0.5)]  # both regions reach it
    assert len(tracker.follow(scene, Blank, STILL, 1.0)) == 1


def test_no_more_than_four_are_followed(scene):
    scene.middles = [(x, 0.5) for x in (0.1, 0.3, 0.5, 0.7, 0.9)]
    assert len(watch(FaceTracker(), scene, seconds=5)) == MAX_FACES


def test_people_come_and_go_before_the_real_landmarker(landmarker):
    tracker = FaceTracker()
    shown = [room(), people((240, 150)), people((120, 150), (390, 150)), people((390, 150)), room()]
    counts = []
    for second, rgb in enumerate(shown):
        picture = Picture(yuv(rgb))
        counts.append(len(tracker.follow(landmarker, picture, coarse_grid(picture.luma), float(second))))
    assert counts == [0, 1, 2, 1, 0]

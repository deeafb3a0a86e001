"""Which faces of one stream are followed from picture to picture, and when to look for others.

Fitting a mesh where a face was a moment ago is cheap to decide; finding faces anew costs half a mesh
again. So the whole picture is searched while nobody is followed, when a face gets lost, when something
changed outside the followed faces, and otherwise every few seconds. One learner alone pays for one mesh
a picture and next to nothing else.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rtc_server.media.face_landmarker import FaceLandmarker
from rtc_server.media.face_mesh import MeshedFace
from rtc_server.media.image_quality import outside
from rtc_server.media.picture import Picture
from rtc_server.media.region import Box

MAX_FACES = 4

SEARCH_INTERVAL_S = 4.0
"""Longest time without a search of the whole picture."""
MIN_SEARCH_INTERVAL_S = 0.4
"""Shortest time between two searches while somebody is followed. It doubles with each that finds nobody new,
so that a room that keeps moving (a laptop on a lap, a window to the street) does not cost half as much again."""
LOOK_INTERVAL_S = 0.15
"""Shortest time between two looks for a change: every third picture at 15 a second. Nobody walks in faster."""
NEWCOMER_CHANGE = 15.0
"""Luma levels by which a coarse cell away from the people known must differ from the last search..."""
NEWCOMER_CELLS = 10
"""...and in how many of the 768 cells, to be somebody: the smallest face found covers about twelve, and
comes with hair and shoulders. A sensor's noise moves a cell's mean by 2 or 3."""
SAME_FACE = 0.5
"""Two meshes that overlap by more, measured on the smaller, lie on one face."""


class FaceTracker:
    """Follows up to four faces of one stream. Holds where they were; no pixels."""

    def __init__(self) -> None:
        self._followed: list[MeshedFace] = []
        self._searched_at_s = float("-inf")
        self._looked_at_s = float("-inf")
        self._rest_s = MIN_SEARCH_INTERVAL_S
        self._grid_at_search: NDArray[np.float32] | None = None

    def follow(
        self, landmarker: FaceLandmarker, picture: Picture, grid: NDArray[np.float32], media_time_s: float
    ) -> Sequence[MeshedFace]:
        """The faces in this picture; `grid` is its `image_quality.coarse_grid`."""
        before = len(self._followed)
        self._followed = self._meshed_again(landmarker, picture)
        if len(self._followed) < max(before, 1) or self._somebody_may_be_new(grid, media_time_s):
            followed = len(self._followed)
            self._search(landmarker, picture)
            found = len(self._followed) > followed
            self._rest_s = MIN_SEARCH_INTERVAL_S if found else min(2 * self._rest_s, SEARCH_INTERVAL_S)
            self._searched_at_s, self._grid_at_search = media_time_s, grid
        return self._followed

    def _meshed_again(self, landmarker: FaceLandmarker, picture: Picture) -> list[MeshedFace]:
        still_there: list[MeshedFace] = []
        for followed in self._followed:
            _admit(landmarker.mesh(picture, followed.region), still_there)
        return still_there

    def _search(self, landmarker: FaceLandmarker, picture: Picture) -> None:
        for region in landmarker.find(picture):
            if len(self._followed) == MAX_FACES:
                return
            x, y = region.x / picture.width, region.y / picture.height
            if not any(followed.box.holds(x, y) for followed in self._followed):
                _admit(landmarker.mesh(picture, region), self._followed)

    def _somebody_may_be_new(self, grid: NDArray[np.float32], media_time_s: float) -> bool:
        since_s = media_time_s - self._searched_at_s
        if len(self._followed) == MAX_FACES or since_s < self._rest_s:
            return False
        if self._grid_at_search is None:
            return True
        if media_time_s - self._looked_at_s >= LOOK_INTERVAL_S:
            self._looked_at_s = media_time_s
            if self._changed_elsewhere(grid, self._grid_at_search):
                return True
        if since_s < SEARCH_INTERVAL_S:
            return False
        # The room may have come to rest: halved once the search to come has doubled it.
        self._rest_s = max(self._rest_s / 4, MIN_SEARCH_INTERVAL_S / 2)
        return True

    def _changed_elsewhere(self, grid: NDArray[np.float32], before: NDArray[np.float32]) -> bool:
        """Whether something the size of a person moved where nobody is known to be."""
        difference = grid - before
        middle = difference.size // 2
        difference -= np.partition(difference, middle, axis=None)[middle]  # exposure moves every cell alike
        changed = np.abs(difference) > NEWCOMER_CHANGE
        changed &= outside([_person(followed.box) for followed in self._followed])
        return np.count_nonzero(changed) >= NEWCOMER_CELLS


def _person(face: Box) -> Box:
    """The face with its hair, and the shoulders and body below it: what moves when its owner does."""
    width, height = face.right - face.left, face.bottom - face.top
    return Box(face.left - 0.6 * width, face.top - 0.6 * height, face.right + 0.6 * width, 1.0)


def _admit(face: MeshedFace | None, faces: list[MeshedFace]) -> None:
    """Two regions that have run together onto one face make one face."""
    if face is not None and all(other.box.overlap(face.box) <= SAME_FACE for other in faces):
        faces.append(face)

"""Follows the faces of one stream from picture to picture, and decides when to search for others.

A face that is followed needs no search: its mesh is fitted where the face was before. A search of the whole picture
costs half a mesh. So it is done only while nobody is followed, when a face is lost, when something changed outside the
followed faces, and otherwise every few seconds. One learner alone costs hardly more than one mesh a picture.
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
"""Shortest time between two searches while somebody is followed. It doubles after each search that finds nobody new,
so that a background that always moves (a laptop on a lap, a window to the street) costs little."""
LOOK_INTERVAL_S = 0.15
"""Shortest time between two checks for a change: every third picture at 15 a second. Nobody walks in faster."""
NEWCOMER_CHANGE = 15.0
"""A cell outside the followed people has changed if its luma differs by more than this from the last search. A sensor's
noise changes a cell's mean by 2 or 3."""
NEWCOMER_CELLS = 10
"""Number of changed cells, of 768, from which somebody may be new. The smallest face that is found covers about twelve,
and hair and shoulders add more."""
SAME_FACE = 0.5
"""If two meshes overlap by more than this share of the smaller one, they are on the same face."""


class FaceTracker:
    """Follows up to four faces of one stream. Remembers their positions, but no pixels."""

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
        # The background may be still again. The search that follows doubles the interval, so this halves it in all.
        self._rest_s = max(self._rest_s / 4, MIN_SEARCH_INTERVAL_S / 2)
        return True

    def _changed_elsewhere(self, grid: NDArray[np.float32], before: NDArray[np.float32]) -> bool:
        """Whether something the size of a person moved where nobody is known to be."""
        difference = grid - before
        middle = difference.size // 2
        difference -= np.partition(difference, middle, axis=None)[middle]  # exposure changes all cells alike
        changed = np.abs(difference) > NEWCOMER_CHANGE
        changed &= outside([_person(followed.box) for followed in self._followed])
        return np.count_nonzero(changed) >= NEWCOMER_CELLS


def _person(face: Box) -> Box:
    """The face with hair, shoulders and body: what moves together with the face."""
    width, height = face.right - face.left, face.bottom - face.top
    return Box(face.left - 0.6 * width, face.top - 0.6 * height, face.right + 0.6 * width, 1.0)


def _admit(face: MeshedFace | None, faces: list[MeshedFace]) -> None:
    """Add the face, unless it is the same as one of `faces`: two followed regions can meet on one face."""
    if face is not None and all(other.box.overlap(face.box) <= SAME_FACE for other in faces):
        faces.append(face)

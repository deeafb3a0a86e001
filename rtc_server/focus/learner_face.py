"""Which of several faces is the learner's: by where it was and how large.

Nobody is recognised. At first the learner's face is the largest and nearest to the middle. After that it is
the face of about the same size near where it was. A face elsewhere is taken for the learner only when the
learner has been gone for a while. A much smaller one (a poster, somebody at the back of the room) has to wait
even longer.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from rtc_server.focus.observation import FaceLandmarks

REACH = 1.0
"""A face may move by this many of its own widths between frames, and by as much again for each second."""
SIZE_RATIO = 1.8
"""Between frames a face does not shrink or grow by more."""
GONE_S = 1.0
"""So long after the learner was last seen, a face elsewhere may be the learner come back."""
SMALL_FACE_GONE_S = 5.0
"""The same for a face that is much smaller than the learner's was."""
SMALL_FACE_SIZE = 0.5
"""Much smaller: below this share of the learner's size."""
SECOND_PERSON_SIZE = 0.4
"""A second face narrower than this share of the learner's is in the background, or a print."""
TOP_OF_FOREHEAD, CHIN, LEFT_SIDE, RIGHT_SIDE = 10, 152, 234, 454
"""In the mesh."""


class _Place(NamedTuple):
    x: float
    y: float
    size: float
    """In picture widths."""


class LearnerFace:
    """Remembers where the learner's face was."""

    def __init__(self) -> None:
        self._place: _Place | None = None
        self._seen_s = 0.0

    def find(self, faces: Sequence[FaceLandmarks], aspect: float, at_s: float) -> tuple[FaceLandmarks | None, int]:
        """The learner's face, if it is there, and how many people are. `aspect` is height over width."""
        places = [_place(face, aspect) for face in faces]
        chosen = self._continued(places, at_s) if self._place else self._likeliest(places)
        if chosen is None:
            return None, len(faces)
        place = self._place = places[chosen]
        self._seen_s = at_s
        people = sum(other.size >= SECOND_PERSON_SIZE * place.size for other in places)
        return faces[chosen], people

    def _continued(self, places: list[_Place], at_s: float) -> int | None:
        old = self._place
        if old is None or not places:
            return None
        away_s = at_s - self._seen_s
        reach = old.size * REACH * (1 + away_s)
        nearest, least = None, math.inf
        for i, place in enumerate(places):
            across, down = abs(place.x - old.x), abs(place.y - old.y)
            alike = 1 / SIZE_RATIO <= place.size / old.size <= SIZE_RATIO
            if alike and across <= reach and down <= reach and across + down < least:
                nearest, least = i, across + down
        if nearest is not None:
            return nearest
        likeliest = self._likeliest(places)
        if likeliest is None:
            return None
        patience_s = GONE_S if places[likeliest].size >= SMALL_FACE_SIZE * old.size else SMALL_FACE_GONE_S
        return likeliest if away_s >= patience_s else None

    @staticmethod
    def _likeliest(places: list[_Place]) -> int | None:
        """The largest, less so towards the picture's sides."""
        return max(range(len(places)), key=lambda i: places[i].size * (1 - abs(places[i].x - 0.5)), default=None)


def _place(face: FaceLandmarks, aspect: float) -> _Place:
    """`size` is the larger of width and height, so that a turned head keeps its size."""
    top, chin = face.points.item(TOP_OF_FOREHEAD, 1), face.points.item(CHIN, 1)
    left, right = face.points.item(LEFT_SIDE, 0), face.points.item(RIGHT_SIDE, 0)
    return _Place((left + right) / 2, (top + chin) / 2 * aspect, max(abs(right - left), abs(chin - top) * aspect))

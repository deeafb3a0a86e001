"""Turns the six tensors that the face mesh's network gives into landmarks.

The tensors are the whole mesh, finer landmarks for both eyes and both irises, and the face flag. The finer landmarks
have x and y, which replace those of the mesh. An iris gets the mean depth of the rim of its eye. Which landmarks are
replaced is read from MediaPipe's own graph, which has the lips as its second part: they stay as the mesh has them.
"""

import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rtc_server.media.mediapipe_graph import expanded

LANDMARKS: Final = 478
IRISES: Final = slice(468, 478)
_IRIS_LANDMARKS = 5
"""Landmarks of each iris."""

_REFINEMENT_GRAPH = """
input_stream: "inferred"
node { calculator: "TensorsToFaceLandmarksWithAttention"
       input_stream: "TENSORS:inferred" output_stream: "LANDMARKS:landmarks" }
"""


class MeshTensors:
    """Reads the tensors from the network's serialised message, which has the same form for every picture."""

    def __init__(self, inferred: bytes) -> None:
        """`inferred` is the message for any picture. Raises ValueError if it does not hold six tensors."""
        *parts, flag = _arrays(inferred)
        mesh, _lips, *eyes = re.split(r"\brefinement {", expanded(_REFINEMENT_GRAPH))[1:]
        looks = [mesh, *eyes]
        if len(parts) != len(looks):
            raise ValueError(f"The face mesh gave {len(parts) + 1} tensors instead of {len(looks) + 1}.")
        self._size = len(inferred)
        self._parts, self._flag = parts, flag
        self._order = np.zeros((3, LANDMARKS), np.intp)
        """Positions of x, y and z of each landmark among the numbers of all parts."""
        rims, first = [], 0
        for part, look in zip(parts, looks, strict=True):
            landmarks, rim = _numbers("indexes_mapping", look), _numbers("indexes_for_average", look)
            numbers = (part.stop - part.start) // 4
            axes = numbers // len(landmarks)
            self._order[:axes, landmarks] = np.arange(first, first + numbers).reshape(-1, axes).T
            first += numbers
            rims += [rim] if rim else []
        self._rims = np.array(rims)

    def show_a_face(self, inferred: bytes) -> bool:
        """Whether the network says that the cut probably shows a face."""
        return bool(np.frombuffer(inferred[self._flag], "<f4")[0] > 0)

    def landmarks(self, inferred: bytes) -> NDArray[np.float32]:
        """(3, 478): x, y and z in pixels of the network's input."""
        assert len(inferred) == self._size
        points = np.frombuffer(b"".join([inferred[part] for part in self._parts]), "<f4").take(self._order)
        depths = np.add.reduce(points[2].take(self._rims), axis=1) / self._rims.shape[1]
        points[2, IRISES] = depths.repeat(_IRIS_LANDMARKS)
        return points


def _numbers(field: str, text: str) -> list[int]:
    return [int(number) for number in re.findall(rf"{field}: (\d+)", text)]


def _arrays(inferred: bytes) -> list[slice]:
    """Positions of the arrays in a serialised `EmbeddingResult`: each is in a list of floats in an embedding."""
    places = []
    embedding = 0
    while embedding < len(inferred):
        inside = _content(inferred, embedding)
        floats = _content(inferred, inside.start)
        places.append(_content(inferred, floats.start))
        embedding = inside.stop
    return places


def _content(message: bytes, field: int) -> slice:
    """Position of the content of the length-delimited field that begins at `field` (protobuf's wire format)."""
    at, length, shift = field + 1, 0, 0
    while True:
        byte = message[at]
        at += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return slice(at, at + length)

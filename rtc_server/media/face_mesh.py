"""The face mesh: one network from the cut of a face to 478 landmarks, as MediaPipe's FaceMesh fits them.

The model and its inference are those of `mp.solutions.face_mesh.FaceMesh(refine_landmarks=True)`. What its
graph does before and after, picture to tensor and tensors to landmarks, is done here in a few arrays instead of
thousands of small protobuf objects (docs/adr/0007-faces-cut-from-planes.md).
"""

from dataclasses import dataclass
from math import atan2, cos, sin

import numpy as np
from numpy.typing import NDArray

from rtc_server.focus.observation import FaceLandmarks
from rtc_server.media.mediapipe_graph import Graph, matrix, message
from rtc_server.media.mesh_tensors import MeshTensors
from rtc_server.media.picture import Picture
from rtc_server.media.region import Box, Region

_CUT_SIZE = 192
"""Pixels a side of what the network takes."""
_LEVEL = np.float32(1 / 255)
"""The network's unit is full light."""
_MARGIN = 1.5
"""Side of a region over the longer side of the box around the landmarks."""
_OUTER_EYE_CORNERS = (33, 263)
"""On the picture's left and right. The line through them is a region's horizontal."""

_GRAPH = """
input_side_packet: "with_attention"
node { calculator: "FaceLandmarksModelLoader"
       input_side_packet: "WITH_ATTENTION:with_attention" output_side_packet: "MODEL:model" }
node { calculator: "TfLiteCustomOpResolverCalculator" output_side_packet: "OP_RESOLVER:operations" }
# Of bytes it would make floats one by one, which costs a tenth of the network.
node { calculator: "TensorConverterCalculator" input_stream: "MATRIX:input" output_stream: "TENSORS:face" }
node { calculator: "InferenceCalculator" input_side_packet: "MODEL:model" input_side_packet: "OP_RESOLVER:operations"
       input_stream: "TENSORS:face" output_stream: "TENSORS:inferred"
       options { [mediapipe.InferenceCalculatorOptions.ext] { delegate { xnnpack { } } } } }
# They are no embeddings; but this is the one calculator that gives tensors away as arrays.
node { calculator: "TensorsToEmbeddingsCalculator" input_stream: "TENSORS:inferred" output_stream: "EMBEDDINGS:arrays"
       options { [mediapipe.TensorsToEmbeddingsCalculatorOptions.ext] { } } }
"""


@dataclass(frozen=True, slots=True, eq=False)
class MeshedFace:
    """A face that is in the picture, and where to look for it in the next one of the same stream."""

    landmarks: FaceLandmarks
    box: Box
    """Around the landmarks."""
    region: Region


class FaceMesh:
    """Used by one thread at a time, by any thread. Remembers nothing."""

    def __init__(self) -> None:
        self._graph = Graph(_GRAPH, "arrays", with_attention=True)
        self._tensors = MeshTensors(self._infer(np.zeros((_CUT_SIZE, _CUT_SIZE, 3), np.uint8)))

    def fit(self, picture: Picture, region: Region) -> MeshedFace | None:
        """None: there is no face in this region (the model's own face flag is below 0.5)."""
        inferred = self._infer(picture.cut(region, _CUT_SIZE))
        if not self._tensors.show_a_face(inferred):
            return None
        return _placed(self._tensors.landmarks(inferred), region, picture)

    def close(self) -> None:
        self._graph.close()

    def _infer(self, cut: NDArray[np.uint8]) -> bytes:
        """`cut` is (192, 192, 3)."""
        shares = np.multiply(cut, _LEVEL, dtype=np.float32)
        # Matrices lie column after column.
        return message(self._graph.run(matrix(shares.reshape(_CUT_SIZE, -1).T)))


def _placed(in_cut: NDArray[np.float32], region: Region, picture: Picture) -> MeshedFace:
    """From pixels of the cut, (3, 478), to the picture."""
    scale = region.size / _CUT_SIZE
    right, down = scale * cos(region.turn_rad), scale * sin(region.turn_rad)
    half = _CUT_SIZE / 2
    to_picture = np.array(
        (
            (right / picture.width, -down / picture.width, 0.0),
            (down / picture.height, right / picture.height, 0.0),
            (0.0, 0.0, scale / picture.width),
        ),
        np.float32,
    )
    corner = np.array(
        (
            ((region.x - half * (right - down)) / picture.width,),
            ((region.y - half * (down + right)) / picture.height,),
            (0.0,),
        ),
        np.float32,
    )
    # An axis after the other in memory: what is done with points is done along an axis.
    landmarks = FaceLandmarks((to_picture @ in_cut + corner).T)
    box = Box.around(landmarks.points)
    return MeshedFace(landmarks, box, _region_of(landmarks, box, picture))


def _region_of(landmarks: FaceLandmarks, box: Box, picture: Picture) -> Region:
    """Around the landmarks, level with the eyes: where FaceMesh looks for the face in the next picture."""
    (left_x, left_y), (right_x, right_y) = (landmarks.points[corner, :2].tolist() for corner in _OUTER_EYE_CORNERS)
    return Region(
        x=picture.width * (box.left + box.right) / 2,
        y=picture.height * (box.top + box.bottom) / 2,
        size=_MARGIN * max(picture.width * (box.right - box.left), picture.height * (box.bottom - box.top)),
        turn_rad=atan2(picture.height * (right_y - left_y), picture.width * (right_x - left_x)),
    )

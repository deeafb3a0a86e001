"""The face mesh: a network that turns the cut of a face into 478 landmarks, as MediaPipe's FaceMesh does.

The model and its inference are those of `mp.solutions.face_mesh.FaceMesh(refine_landmarks=True)`, but for the finer
landmarks of the lips, which nothing here reads. The steps before and after it, picture to tensor and tensors to
landmarks, are done here with a few arrays instead of thousands of small protobuf objects
(docs/adr/0007-faces-cut-from-planes.md).
"""

from dataclasses import dataclass
from math import atan2, cos, sin

import numpy as np
from numpy.typing import NDArray

from rtc_server.focus.observation import FaceLandmarks
from rtc_server.media.mediapipe_graph import Graph, matrix, message, model
from rtc_server.media.mesh_model import without_output
from rtc_server.media.mesh_tensors import MeshTensors
from rtc_server.media.picture import Picture
from rtc_server.media.region import Box, Region

_CUT_SIZE = 192
"""Pixels on each side of the network's input."""
_LEVEL = np.float32(1 / 255)
"""The network's input goes from 0 (black) to 1 (white)."""
_MARGIN = 1.5
"""Side of a region, divided by the longer side of the box around the landmarks."""
_OUTER_EYE_CORNERS = (33, 263)
"""Eye corners on the picture's left and right. A region is turned so that the line through them is horizontal."""

_MODEL = "face_landmark/face_landmark_with_attention.tflite"
_UNREAD_OUTPUT = "output_lips"

_GRAPH = """
input_side_packet: "flatbuffer"
node { calculator: "TfLiteModelCalculator"
       input_side_packet: "MODEL_BLOB:flatbuffer" output_side_packet: "MODEL:model" }
node { calculator: "TfLiteCustomOpResolverCalculator" output_side_packet: "OP_RESOLVER:operations" }
# The input is floats: this calculator would convert bytes one by one, which costs a tenth of the network.
node { calculator: "TensorConverterCalculator" input_stream: "MATRIX:input" output_stream: "TENSORS:face" }
node { calculator: "InferenceCalculator" input_side_packet: "MODEL:model" input_side_packet: "OP_RESOLVER:operations"
       input_stream: "TENSORS:face" output_stream: "TENSORS:inferred"
       options { [mediapipe.InferenceCalculatorOptions.ext] { delegate { xnnpack { } } } } }
# The tensors are not embeddings, but this is the only calculator that returns tensors as arrays.
node { calculator: "TensorsToEmbeddingsCalculator" input_stream: "TENSORS:inferred" output_stream: "EMBEDDINGS:arrays"
       options { [mediapipe.TensorsToEmbeddingsCalculatorOptions.ext] { } } }
"""


@dataclass(frozen=True, slots=True, eq=False)
class MeshedFace:
    """A face in the picture, and the region in which to look for it in the stream's next picture."""

    landmarks: FaceLandmarks
    box: Box
    """Around the landmarks."""
    region: Region


class FaceMesh:
    """May be used by any thread, but only one at a time. Remembers nothing."""

    def __init__(self) -> None:
        self._graph = Graph(_GRAPH, "arrays", flatbuffer=without_output(model(_MODEL), _UNREAD_OUTPUT))
        self._tensors = MeshTensors(self._infer(np.zeros((_CUT_SIZE, _CUT_SIZE, 3), np.uint8)))

    def fit(self, picture: Picture, region: Region) -> MeshedFace | None:
        """The face in this region; None if there is none (the model's own face flag is below 0.5)."""
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
    """The face in the picture, from its landmarks in pixels of the cut, (3, 478)."""
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
    """The region around the landmarks, turned as the eyes are: where FaceMesh looks in the next picture."""
    (left_x, left_y), (right_x, right_y) = (landmarks.points[corner, :2].tolist() for corner in _OUTER_EYE_CORNERS)
    return Region(
        x=picture.width * (box.left + box.right) / 2,
        y=picture.height * (box.top + box.bottom) / 2,
        size=_MARGIN * max(picture.width * (box.right - box.left), picture.height * (box.bottom - box.top)),
        turn_rad=atan2(picture.height * (right_y - left_y), picture.width * (right_x - left_x)),
    )

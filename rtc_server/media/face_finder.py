"""The face detector: MediaPipe's short-range model, which FaceMesh begins with as well."""

import numpy as np

from rtc_server.media.mediapipe_graph import Graph, image, messages
from rtc_server.media.picture import Picture
from rtc_server.media.region import Region

_GRAPH = """
node { calculator: "FaceDetectionShortRangeCpu"
       input_stream: "IMAGE:input" output_stream: "DETECTIONS:detections" }
node { calculator: "ImagePropertiesCalculator" input_stream: "IMAGE:input" output_stream: "SIZE:size" }
node { calculator: "BeginLoopDetectionCalculator" input_stream: "ITERABLE:detections" input_stream: "CLONE:size"
       output_stream: "ITEM:detection" output_stream: "CLONE:loop_size" output_stream: "BATCH_END:loop_end" }
node { calculator: "FaceDetectionFrontDetectionToRoi"
       input_stream: "DETECTION:detection" input_stream: "IMAGE_SIZE:loop_size" output_stream: "ROI:region" }
node { calculator: "EndLoopNormalizedRectCalculator"
       input_stream: "ITEM:region" input_stream: "BATCH_END:loop_end" output_stream: "ITERABLE:regions" }
"""
# A serialised NormalizedRect: five 32-bit floats, one tag byte before each.
_RECT = np.dtype(
    {
        "names": ["x", "y", "height", "width", "turn_rad"],
        "formats": ["<f4"] * 5,
        "offsets": [1, 6, 11, 16, 21],
        "itemsize": 25,
    }
)


class FaceFinder:
    """Used by one thread at a time, by any thread. Remembers nothing."""

    def __init__(self) -> None:
        self._graph = Graph(_GRAPH, "regions")

    def find(self, picture: Picture) -> list[Region]:
        """Where to fit a mesh, which may yet show that it is no face; best first.

        Sees faces of about a tenth of the picture's width and more.
        """
        regions = self._graph.run(image(picture.rgb()))
        return [] if regions is None else [_region(rect, picture) for rect in messages(regions)]

    def close(self) -> None:
        self._graph.close()


def _region(rect: bytes, picture: Picture) -> Region:
    x, y, _, width, turn_rad = np.frombuffer(rect, _RECT, count=1)[0].tolist()
    return Region(x * picture.width, y * picture.height, width * picture.width, turn_rad)

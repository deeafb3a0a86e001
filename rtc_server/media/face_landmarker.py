"""MediaPipe's face detector and face mesh, driven one picture at a time. The only module that knows MediaPipe.

The models and calculators are those of `mp.solutions.face_mesh.FaceMesh(refine_landmarks=True)`, and for
the same region of the same picture the landmarks are the same to the bit (tests/media). What differs is
who remembers: FaceMesh keeps inside its graph where the face was, so it serves one stream; here the caller
keeps that region and hands it in, so a landmarker remembers nothing and serves any stream
(docs/adr/0003-stateless-face-landmarker.md).
"""

import importlib.util
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NewType

import numpy as np
from numpy.typing import NDArray

from rtc_server.focus.observation import FaceLandmarks

Picture = NewType("Picture", object)
"""A picture as the landmarker takes it; made by `FaceLandmarker.picture`."""
Region = NewType("Region", object)
"""Where to look for one face: a turned square. Good for any landmarker of this process."""

LANDMARKS = 478

# MediaPipe's FaceLandmarkCpu for the model with irises, without the switches by which it could be another one.
_MESH_GRAPH = """
input_stream: "image"
input_stream: "region"
input_side_packet: "with_attention"
node { calculator: "FaceLandmarksModelLoader"
       input_side_packet: "WITH_ATTENTION:with_attention" output_side_packet: "MODEL:model" }
node { calculator: "TfLiteCustomOpResolverCalculator" output_side_packet: "OP_RESOLVER:operations" }
node { calculator: "ImageToTensorCalculator"
       input_stream: "IMAGE:image" input_stream: "NORM_RECT:region" output_stream: "TENSORS:face"
       options { [mediapipe.ImageToTensorCalculatorOptions.ext] {
           output_tensor_width: 192 output_tensor_height: 192 output_tensor_float_range { min: 0 max: 1 } } } }
node { calculator: "InferenceCalculator" input_side_packet: "MODEL:model" input_side_packet: "OP_RESOLVER:operations"
       input_stream: "TENSORS:face" output_stream: "TENSORS:inferred"
       options { [mediapipe.InferenceCalculatorOptions.ext] { delegate { xnnpack { } } } } }
node { calculator: "SplitTensorVectorCalculator"
       input_stream: "inferred" output_stream: "parts" output_stream: "presence"
       options { [mediapipe.SplitVectorCalculatorOptions.ext] {
           ranges { begin: 0 end: 6 } ranges { begin: 6 end: 7 } } } }
node { calculator: "TensorsToFloatsCalculator" input_stream: "TENSORS:presence" output_stream: "FLOAT:probability"
       options { [mediapipe.TensorsToFloatsCalculatorOptions.ext] { activation: SIGMOID } } }
node { calculator: "ThresholdingCalculator" input_stream: "FLOAT:probability" output_stream: "FLAG:is_face"
       options { [mediapipe.ThresholdingCalculatorOptions.ext] { threshold: 0.5 } } }
node { calculator: "GateCalculator" input_stream: "parts" input_stream: "ALLOW:is_face" output_stream: "face_parts" }
node { calculator: "TensorsToFaceLandmarksWithAttention"
       input_stream: "TENSORS:face_parts" output_stream: "LANDMARKS:in_region" }
node { calculator: "LandmarkProjectionCalculator" input_stream: "NORM_LANDMARKS:in_region"
       input_stream: "NORM_RECT:region" output_stream: "NORM_LANDMARKS:landmarks" }
node { calculator: "ImagePropertiesCalculator" input_stream: "IMAGE:image" output_stream: "SIZE:size" }
node { calculator: "FaceLandmarkLandmarksToRoi"
       input_stream: "LANDMARKS:landmarks" input_stream: "IMAGE_SIZE:size" output_stream: "ROI:next_region" }
executor { type: "ApplicationThreadExecutor" }
"""
_FINDER_GRAPH = """
input_stream: "image"
node { calculator: "FaceDetectionShortRangeCpu"
       input_stream: "IMAGE:image" output_stream: "DETECTIONS:detections" }
node { calculator: "ImagePropertiesCalculator" input_stream: "IMAGE:image" output_stream: "SIZE:size" }
node { calculator: "BeginLoopDetectionCalculator" input_stream: "ITERABLE:detections" input_stream: "CLONE:size"
       output_stream: "ITEM:detection" output_stream: "CLONE:loop_size" output_stream: "BATCH_END:loop_end" }
node { calculator: "FaceDetectionFrontDetectionToRoi"
       input_stream: "DETECTION:detection" input_stream: "IMAGE_SIZE:loop_size" output_stream: "ROI:region" }
node { calculator: "EndLoopNormalizedRectCalculator"
       input_stream: "ITEM:region" input_stream: "BATCH_END:loop_end" output_stream: "ITERABLE:regions" }
executor { type: "ApplicationThreadExecutor" }
"""
_PROJECTION_GRAPH = """
input_stream: "landmarks"
input_stream: "region"
node { calculator: "LandmarkProjectionCalculator" input_stream: "NORM_LANDMARKS:landmarks"
       input_stream: "NORM_RECT:region" output_stream: "NORM_LANDMARKS:projected" }
"""

# Serialised protobufs whose fields are all 32-bit floats lie at fixed places: one tag byte before each.
_LANDMARK = np.dtype({"names": ["x", "y", "z"], "formats": ["<f4"] * 3, "offsets": [3, 8, 13], "itemsize": 17})
_RECT = np.dtype({"names": ["x", "y"], "formats": ["<f4"] * 2, "offsets": [1, 6], "itemsize": 25})
_WHOLE_PICTURE = b"\x0d\0\0\0\x3f\x15\0\0\0\x3f\x1d\0\0\x80\x3f\x25\0\0\x80\x3f\x2d\0\0\0\0"


def _load_bindings() -> ModuleType:
    """MediaPipe's compiled part alone: its package would import OpenCV, matplotlib and all its tasks (+50 MB)."""
    name = "mediapipe.python._framework_bindings"
    if name in sys.modules:
        return sys.modules[name]
    package = importlib.util.find_spec("mediapipe")
    if package is None or not package.submodule_search_locations:
        raise ImportError("mediapipe is not installed")
    root = Path(package.submodule_search_locations[0])
    library = next(iter(sorted((root / "python").glob("_framework_bindings.*"))), None)
    spec = library and importlib.util.spec_from_file_location(name, library)
    if not spec or not spec.loader:
        raise ImportError("mediapipe has no _framework_bindings")
    bindings = importlib.util.module_from_spec(spec)
    sys.modules[name] = bindings
    spec.loader.exec_module(bindings)
    bindings.resource_util.set_resource_dir(str(root.parent))
    return bindings


_bindings: Any = _load_bindings()
_make: Any = _bindings._packet_creator
_read: Any = _bindings._packet_getter

_NOISE = (
    b"inference_feedback_manager.cc",
    b"landmark_projection_calculator.cc",
    b"Created TensorFlow Lite XNNPACK delegate",
    b"before absl::InitializeLog()",
)
_stderr_is_ours = threading.Lock()


@contextmanager
def _without_native_noise() -> Iterator[None]:
    """Hold back standard error, then write out all of it but the lines MediaPipe says at every start.

    It has no switch for them. Anything else written meanwhile comes out late, and is not lost.
    """
    with _stderr_is_ours:
        real, held = os.dup(2), os.memfd_create("stderr")
        try:
            os.dup2(held, 2)
            try:
                yield
            finally:
                os.dup2(real, 2)
                os.lseek(held, 0, os.SEEK_SET)
                with os.fdopen(held, "rb") as lines:
                    os.write(2, b"".join(line for line in lines if not any(noise in line for noise in _NOISE)))
        finally:
            os.close(real)


@dataclass(frozen=True, slots=True)
class FoundFace:
    """What the detector saw: a region to fit a mesh in, which may yet show that it is no face."""

    region: Region
    x: float
    y: float
    """The region's middle, in picture widths and heights."""


@dataclass(frozen=True, slots=True, eq=False)
class MeshedFace:
    landmarks: FaceLandmarks
    region: Region
    """Where to look in the next picture of the same stream."""


class _Graph:
    """A running graph whose work is done on the calling thread."""

    def __init__(self, config: str, outputs: tuple[str, ...], side_packets: dict[str, object]) -> None:
        self._graph = _bindings.calculator_graph.CalculatorGraph(graph_config=config)
        self._arrived: dict[str, Any] = {}
        for output in outputs:
            self._graph.observe_output_stream(output, self._arrived.__setitem__, False)
        self._graph.start_run(side_packets)
        self._step = 0

    def run(self, **inputs: Any) -> dict[str, Any]:
        """Packets by stream, valid until the next run. Another Python thread may run meanwhile."""
        self._arrived.clear()
        self._step += 1
        for stream, packet in inputs.items():
            self._graph.add_packet_to_input_stream(stream, packet.at(self._step))
        self._graph.wait_until_idle()
        return self._arrived

    def close(self) -> None:
        self._graph.close()


class FaceLandmarker:
    """Finds faces and their meshes. Used by one thread at a time, by any thread; about 27 MB."""

    def __init__(self) -> None:
        with _without_native_noise():
            self._finder = _Graph(_FINDER_GRAPH, ("regions",), {})
            self._mesher = _Graph(
                _MESH_GRAPH, ("landmarks", "next_region"), {"with_attention": _make.create_bool(True)}
            )
            self._warm_up()

    def _warm_up(self) -> None:
        """Make the models allocate and complain now, not during a learner's first frame."""
        blank = self.picture(np.zeros((64, 64, 3), np.uint8))
        whole = _region(_WHOLE_PICTURE)
        self.find(blank)
        self.mesh(blank, whole)
        projection = _Graph(_PROJECTION_GRAPH, (), {})
        projection.run(landmarks=_make._create_proto("mediapipe.NormalizedLandmarkList", b""), region=whole)
        projection.close()

    @staticmethod
    def picture(rgb: NDArray[np.uint8]) -> Picture:
        """`rgb` is (height, width, 3). Only rows with padding are copied: whoever gives it leaves it alone."""
        rgb = np.ascontiguousarray(rgb)
        rgb.flags.writeable = False
        return Picture(_make._create_image_frame_from_pixel_data(_bindings.image_frame.ImageFormat.SRGB, rgb, False))

    def find(self, picture: Picture) -> list[FoundFace]:
        """Best first. Sees faces of about a tenth of the picture's width and more."""
        regions = self._finder.run(image=picture).get("regions")
        if regions is None:
            return []
        found = []
        for rect in _read._get_serialized_proto_list(regions):
            middle = np.frombuffer(rect, _RECT, count=1)[0]
            found.append(FoundFace(_region(rect), float(middle["x"]), float(middle["y"])))
        return found

    def mesh(self, picture: Picture, region: Region) -> MeshedFace | None:
        """None: there is no face in this region (the model's own face flag is below 0.5)."""
        packets = self._mesher.run(image=picture, region=region)
        landmarks = packets.get("landmarks")
        if landmarks is None:
            return None
        fields = np.frombuffer(_read._get_serialized_proto(landmarks), _LANDMARK, count=LANDMARKS)
        # An axis after the other in memory: what is done with points is done along an axis.
        points = np.empty((3, LANDMARKS), np.float32)
        for axis, name in enumerate("xyz"):
            points[axis] = fields[name]
        return MeshedFace(FaceLandmarks(points.T), Region(packets["next_region"]))

    def close(self) -> None:
        self._finder.close()
        self._mesher.close()


def _region(rect: bytes) -> Region:
    return Region(_make._create_proto("mediapipe.NormalizedRect", rect))

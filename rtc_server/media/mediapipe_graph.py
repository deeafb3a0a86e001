"""Runs MediaPipe's graphs on the calling thread. The only module that uses MediaPipe's bindings.

The bindings are private names of one exact version (docs/adr/0003-stateless-face-landmarker.md).
"""

import importlib.util
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray


def _folder_of_mediapipe() -> Path:
    package = importlib.util.find_spec("mediapipe")
    if package is None or not package.submodule_search_locations:
        raise ImportError("mediapipe is not installed")
    return Path(package.submodule_search_locations[0])


_FOLDER = _folder_of_mediapipe()


def _load_bindings() -> ModuleType:
    """Load only MediaPipe's compiled part: its package would import matplotlib and all its tasks (+50 MB)."""
    name = "mediapipe.python._framework_bindings"
    if name in sys.modules:
        return sys.modules[name]
    library = next(iter(sorted((_FOLDER / "python").glob("_framework_bindings.*"))), None)
    spec = library and importlib.util.spec_from_file_location(name, library)
    if not spec or not spec.loader:
        raise ImportError("mediapipe has no _framework_bindings")
    bindings = importlib.util.module_from_spec(spec)
    sys.modules[name] = bindings
    spec.loader.exec_module(bindings)
    bindings.resource_util.set_resource_dir(str(_FOLDER.parent))
    return bindings


_bindings: Any = _load_bindings()
_make: Any = _bindings._packet_creator
_read: Any = _bindings._packet_getter


class Graph:
    """A running graph. May be used by any thread, but only one at a time."""

    def __init__(self, config: str, output: str, **strings: bytes) -> None:
        """config: a graph that reads the stream `input`. output: the stream it writes. strings: its side packets."""
        self._graph = _bindings.calculator_graph.CalculatorGraph(
            graph_config=f'input_stream: "input" {config} executor {{ type: "ApplicationThreadExecutor" }}'
        )
        self._arrived: list[object] = []
        self._graph.observe_output_stream(output, self._arrive, False)
        self._graph.start_run({name: _make.create_string(value) for name, value in strings.items()})
        self._step = 0

    def run(self, packet: Any) -> object | None:
        """The output packet for this packet; None if there is none. Other Python threads can run meanwhile."""
        self._arrived.clear()
        self._step += 1
        self._graph.add_packet_to_input_stream("input", packet.at(self._step))
        self._graph.wait_until_idle()
        return self._arrived[0] if self._arrived else None

    def close(self) -> None:
        self._graph.close()

    def _arrive(self, _stream: str, packet: object) -> None:
        self._arrived.append(packet)


def image(rgb: NDArray[np.uint8]) -> object:
    """A packet of `rgb` (height, width, 3), without a copy: do not change the array afterwards."""
    rgb = np.ascontiguousarray(rgb)
    rgb.flags.writeable = False
    return _make._create_image_frame_from_pixel_data(_bindings.image_frame.ImageFormat.SRGB, rgb, False)


def matrix(numbers: NDArray[np.float32]) -> object:
    """A packet of `numbers` (rows, columns)."""
    return _make.create_matrix(numbers)


def message(packet: object) -> bytes:
    """The protobuf message in the packet, serialised."""
    return bytes(_read._get_serialized_proto(packet))


def messages(packet: object) -> list[bytes]:
    """The protobuf messages in the packet, each serialised."""
    return list(_read._get_serialized_proto_list(packet))


def model(name: str) -> bytes:
    """A model of the wheel, by its path below `mediapipe/modules`."""
    return (_FOLDER / "modules" / name).read_bytes()


def expanded(config: str) -> str:
    """`config` as text, with each subgraph replaced by its definition in the wheel."""
    validated = _bindings.validated_graph_config.ValidatedGraphConfig()
    validated.initialize(graph_config=config)
    return str(validated.text_config)


_NOISE = (
    b"inference_feedback_manager.cc",
    b"landmark_projection_calculator.cc",
    b"Created TensorFlow Lite XNNPACK delegate",
    b"before absl::InitializeLog()",
)
_stderr_is_ours = threading.Lock()


@contextmanager
def without_native_noise() -> Iterator[None]:
    """Hold back standard error, then write all of it except the lines that MediaPipe prints at every start.

    MediaPipe has no switch for them. Anything else written meanwhile appears late, but is not lost.
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

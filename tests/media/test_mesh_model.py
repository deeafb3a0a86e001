"""The network without its branch for the lips gives what it gave with it."""

import numpy as np
import pytest

from rtc_server.media.face_mesh import _GRAPH, _MODEL
from rtc_server.media.mediapipe_graph import Graph, matrix, message, model
from rtc_server.media.mesh_model import without_output
from rtc_server.media.mesh_tensors import _arrays


def outputs(flatbuffer):
    graph = Graph(_GRAPH, "arrays", flatbuffer=flatbuffer)
    picture = np.random.default_rng(1).random((576, 192), np.float32)
    inferred = message(graph.run(matrix(picture)))
    graph.close()
    return [inferred[part] for part in _arrays(inferred)]


def test_every_other_output_is_the_same_to_the_bit():
    whole = outputs(model(_MODEL))
    without = outputs(without_output(model(_MODEL), "output_lips"))
    assert without == [whole[0], *whole[2:]]


def test_an_output_that_the_model_does_not_have_is_an_error():
    with pytest.raises(ValueError, match="no output output_ears"):
        without_output(model(_MODEL), "output_ears")

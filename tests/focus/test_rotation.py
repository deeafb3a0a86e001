"""The closed form against the singular value decomposition that defines it."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from rtc_server.focus.geometry.rotation import UPRIGHT, nearest_rotation
from tests.focus.meshes import rotation

Matrix = NDArray[np.float64]
angles = st.floats(-180, 180)
turns = st.builds(rotation, angles, angles, angles)
stretches = st.floats(0.1, 10)
maps = arrays.arrays(np.float64, (3, 3), elements=st.integers(-(10**5), 10**5).map(lambda number: number / 1000))


def nearest(matrix: Matrix) -> tuple[Matrix, float]:
    turn, stretch = nearest_rotation(*(tuple(column) for column in matrix.T.tolist()))
    return np.array(turn).T, stretch


def by_decomposition(matrix: Matrix) -> tuple[Matrix, float, float]:
    """The nearest rotation, the mean of the larger stretches, and by what share of the largest it is nearer than
    any other."""
    left, stretch, right = np.linalg.svd(matrix)
    sign = np.sign(np.linalg.det(left @ right))
    margin = (stretch[1] + sign * stretch[2]) / max(stretch[0], 1e-300)
    return left @ np.diag([1, 1, sign]) @ right, (stretch[0] + stretch[1]) / 2, margin


@given(maps)
def test_it_is_the_rotation_of_the_singular_value_decomposition(matrix: Matrix) -> None:
    expected, stretch, margin = by_decomposition(matrix)
    assume(margin > 0.1)
    assert nearest(matrix)[0] == pytest.approx(expected, abs=1e-7)
    assert nearest(matrix)[1] == pytest.approx(stretch, rel=1e-4)


@given(maps)
def test_it_is_a_rotation_whatever_the_map(matrix: Matrix) -> None:
    found, _ = nearest(matrix)
    assert found @ found.T == pytest.approx(np.eye(3), abs=1e-3)
    assert np.linalg.det(found) == pytest.approx(1, abs=1e-3)


@given(turns, turns, stretches, stretches, stretches)
def test_a_stretch_turns_nothing(turn: Matrix, along: Matrix, one: float, other: float, third: float) -> None:
    assert nearest(turn @ along.T @ np.diag([one, other, third]) @ along)[0] == pytest.approx(turn, abs=1e-7)


@given(turns, stretches)
def test_a_flat_map_still_tells_its_rotation(turn: Matrix, stretch: float) -> None:
    assert nearest(turn @ np.diag([stretch, 1, 0]))[0] == pytest.approx(turn, abs=1e-7)


@given(turns)
def test_a_mirror_is_never_a_rotation(turn: Matrix) -> None:
    found, _ = nearest(turn @ np.diag([1.0, 1.0, -0.5]))
    assert found == pytest.approx(turn, abs=1e-7)


@pytest.mark.parametrize("matrix", [np.zeros((3, 3)), np.ones((3, 3)), np.diag([1.0, 1.0, -1.0])])
def test_what_tells_no_rotation_is_taken_as_upright(matrix: Matrix) -> None:
    assert nearest(matrix)[0] == pytest.approx(np.array(UPRIGHT).T)

"""The rotation nearest to a linear map, in plain numbers: for three vectors, numpy's calls cost more than the sums."""

import math
from typing import NamedTuple

Vector = tuple[float, float, float]

_DEGENERATE = 1e-3
"""Of its own size; from here on a map is as near to one rotation as to another: all it maps lies in a line, or it
mirrors one axis and keeps the rest."""


def dot(a: Vector, b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def cross(a: Vector, b: Vector) -> Vector:
    ax, ay, az = a
    bx, by, bz = b
    return ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx


class Rotation(NamedTuple):
    """Where the axes x, y and z go: right, down and back, of length 1."""

    right: Vector
    down: Vector
    back: Vector


UPRIGHT = Rotation((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def nearest_rotation(x: Vector, y: Vector, z: Vector) -> tuple[Rotation, float]:
    """For the map that takes the axes to `x`, `y` and `z`: the rotation nearest to it, and the mean of its two
    larger stretches (singular values).

    The rotation is Markley's fast optimal matrix (1993, "Attitude determination using vector observations"),
    proper even where the map mirrors. He finds the sum of the stretches by iteration; here it comes from their
    squares, the roots of a cubic, of which the smallest is known in closed form (Viete).

    Raises ValueError: the map is not finite.
    """
    x_x, y_y, z_z = dot(x, x), dot(y, y), dot(z, z)
    x_y, y_z, z_x = dot(x, y), dot(y, z), dot(z, x)
    across_x, across_y = cross(y, z), cross(z, x)
    volume = dot(x, across_x)
    if not math.isfinite(volume):
        raise ValueError("A map with infinities has no nearest rotation.")
    # Of the stretches' squares: their sum, and the sum of their products in pairs. Volume squared is that of all three.
    squares = x_x + y_y + z_z
    pairs = x_x * y_y - x_y * x_y + y_y * z_z - y_z * y_z + z_z * x_x - z_x * z_x
    third = squares / 3
    spread = math.sqrt(max(0.0, third * third - pairs / 3))
    cube, lean = spread * spread * spread, third * (third * third - pairs / 2) + volume * volume / 2
    angle = math.atan2(math.sqrt(max(0.0, cube * cube - lean * lean)), lean)
    smallest = third + 2 * spread * math.cos((angle + 2 * math.pi) / 3)
    # The stretches themselves; the least counts as negative where the map mirrors.
    area = math.sqrt(max(0.0, pairs - smallest * (squares - smallest)))
    larger = math.sqrt(squares - smallest + 2 * area)
    least = volume / area if area else 0.0
    total, products = larger + least, area + larger * least
    scale = total * products - volume
    if scale <= _DEGENERATE * larger * larger * larger:
        return UPRIGHT, larger / 2
    rest = total * total - products
    right = _sum((rest - x_x) / scale, x, -x_y / scale, y, -z_x / scale, z, total / scale, across_x)
    down = _sum((rest - y_y) / scale, y, -x_y / scale, x, -y_z / scale, z, total / scale, across_y)
    return Rotation(right, down, cross(right, down)), larger / 2


def _sum(i: float, a: Vector, j: float, b: Vector, k: float, c: Vector, m: float, d: Vector) -> Vector:
    """i a + j b + k c + m d."""
    (ax, ay, az), (bx, by, bz), (cx, cy, cz), (dx, dy, dz) = a, b, c, d
    return i * ax + j * bx + k * cx + m * dx, i * ay + j * by + k * cy + m * dy, i * az + j * bz + k * cz + m * dz

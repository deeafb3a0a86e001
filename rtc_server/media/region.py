"""Parts of a picture."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Region:
    """A turned square in which to look for one face, in pixels. May reach beyond the picture."""

    x: float
    """Distance of its centre from the picture's left edge."""
    y: float
    """Distance of its centre from the picture's top edge."""
    size: float
    """Length of a side."""
    turn_rad: float
    """Angle by which it is turned, clockwise as seen; 0 is upright."""


@dataclass(frozen=True, slots=True)
class Box:
    """An upright rectangle, in picture widths and heights. May reach beyond the picture."""

    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def around(cls, points: NDArray[np.float32]) -> "Box":
        """The smallest box around points (n, 2 or more)."""
        left, top, *_ = np.minimum.reduce(points).tolist()
        right, bottom, *_ = np.maximum.reduce(points).tolist()
        return cls(left, top, right, bottom)

    @property
    def area(self) -> float:
        return max(0.0, self.right - self.left) * max(0.0, self.bottom - self.top)

    def holds(self, x: float, y: float) -> bool:
        return self.left <= x <= self.right and self.top <= y <= self.bottom

    def overlap(self, other: "Box") -> float:
        """Area of the intersection, divided by the smaller area: 1 if one box lies inside the other."""
        shared = Box(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        )
        smaller = min(self.area, other.area)
        return shared.area / smaller if smaller > 0 else 0.0

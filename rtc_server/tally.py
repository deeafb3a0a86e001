"""Counts, and how measured values are spread, since the server began. Safe to use from any thread.

They are plain numbers. `metrics` reads them when somebody asks, so a count costs a fraction of a microsecond.
"""

import threading
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Generic, TypeVar

Number = TypeVar("Number", int, float)


class _Sums(Generic[Number]):
    """One for each of some things. Which things there are is fixed at the start."""

    def __init__(self, things: Iterable[str], zero: Number) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, Number] = dict.fromkeys(things, zero)

    def _add(self, thing: str, count: Number) -> None:
        """Raises KeyError for a thing that was not named at the start."""
        with self._lock:
            self._counts[thing] += count

    def read(self) -> dict[str, Number]:
        with self._lock:
            return dict(self._counts)


class Tally(_Sums[int]):
    """How often each of some things has happened."""

    def __init__(self, things: Iterable[str]) -> None:
        super().__init__(things, 0)

    def add(self, thing: str, count: int = 1) -> None:
        """Raises KeyError for a thing that was not named at the start."""
        self._add(thing, count)


class Seconds(_Sums[float]):
    """How long each of some things has lasted, in seconds."""

    def __init__(self, things: Iterable[str]) -> None:
        super().__init__(things, 0.0)

    def add(self, thing: str, seconds: float) -> None:
        """Raises KeyError for a thing that was not named at the start."""
        self._add(thing, seconds)


class Histogram:
    """How many values were not above each of some bounds."""

    def __init__(self, bounds: Sequence[float]) -> None:
        """bounds: ascending. One more, infinity, comes by itself."""
        self.bounds = tuple(bounds)
        self._lock = threading.Lock()
        self._counts = [0] * (len(self.bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        position = bisect_left(self.bounds, value)
        with self._lock:
            self._counts[position] += 1
            self._sum += value

    def read(self) -> tuple[list[int], float]:
        """For each bound and for infinity how many values were not above it; and the sum of all values."""
        with self._lock:
            return list(accumulate(self._counts)), self._sum

    @property
    def count(self) -> int:
        """Of all values."""
        return self.read()[0][-1]

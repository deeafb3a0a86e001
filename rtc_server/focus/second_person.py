"""A second person in the picture: since when, and for how long. Nobody is recognised."""

from collections.abc import Callable

CERTAIN_AFTER_S = 0.4
"""A second face that goes sooner was a mistake of the face finder, or somebody who passed by."""


class SecondPerson:
    """Counts the time in which somebody else is in the picture."""

    def __init__(self, add_time: Callable[[float, float], None]) -> None:
        """`add_time` is given each stretch with a second person in the picture, as [start, end) in media time."""
        self._add_time = add_time
        self._since_s: float | None = None
        self._counted_s = 0.0

    def observe(self, people: int, at_s: float) -> None:
        """So many people are in the picture at `at_s`."""
        if people < 2:
            self._since_s = None
            return
        if self._since_s is None:
            self._since_s = self._counted_s = at_s
        if at_s - self._since_s >= CERTAIN_AFTER_S:
            self._add_time(self._counted_s, at_s)
            self._counted_s = at_s

    def begin_gap(self) -> None:
        """From now on nobody sees who is there."""
        self._since_s = None

    @property
    def present(self) -> bool:
        """A second person is there, for certain."""
        return self._since_s is not None and self._counted_s > self._since_s

"""A second person in the picture: since when, and for how long. Nobody is recognised."""

from collections.abc import Callable

COMPANY_S = 0.4
"""A second face must stay so long to be a second person."""


class Company:
    def __init__(self, book: Callable[[float, float], None]) -> None:
        """`book` is given each stretch with a second person in the picture, as [start, end) in media time."""
        self._book = book
        self._since_s: float | None = None
        self._booked_s = 0.0

    def count(self, people: int, at_s: float) -> None:
        """So many people are in the picture at `at_s`."""
        if people < 2:
            self._since_s = None
            return
        if self._since_s is None:
            self._since_s = self._booked_s = at_s
        if at_s - self._since_s >= COMPANY_S:
            self._book(self._booked_s, at_s)
            self._booked_s = at_s

    def lose_sight(self) -> None:
        """Nobody knows who is there from now on."""
        self._since_s = None

    @property
    def present(self) -> bool:
        """A second person is there, for certain."""
        return self._since_s is not None and self._booked_s > self._since_s

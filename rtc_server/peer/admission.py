"""Whether there is room for one more peer: in all, for its user, and for its address."""

from collections.abc import Collection
from dataclasses import dataclass

from rtc_server.errors import RateLimited, ServerFull
from rtc_server.learner import Learner

RETRY_AFTER_S = 10.0
"""Whoever connects and sends no picture leaves by then (`Deadlines.first_frame_s`)."""


@dataclass(frozen=True, slots=True)
class Occupant:
    """A peer that is here or on its way."""

    learner: Learner
    address: str
    """As the limits count addresses; empty where it is not known, which is no address in common."""


@dataclass(frozen=True, slots=True)
class Room:
    total: int
    per_user: int | None = None
    """None: as many as there is room for."""
    per_address: int | None = None

    def admit(self, newcomer: Occupant, others: Collection[Occupant], making_way: int = 0) -> None:
        """others: without the peer that the newcomer replaces. making_way: how many of them would go where it is full.

        Raises ServerFull, RateLimited.
        """
        if len(others) - making_way >= self.total:
            raise ServerFull("The server is full. Try again later.", RETRY_AFTER_S)
        of_user = sum(other.learner.user_id == newcomer.learner.user_id for other in others)
        if self.per_user is not None and of_user >= self.per_user:
            raise RateLimited("This learner already has the maximum number of sessions.", RETRY_AFTER_S)
        of_address = sum(other.address == newcomer.address for other in others if other.address)
        if self.per_address is not None and of_address >= self.per_address:
            raise RateLimited("This address already has the maximum number of sessions.", RETRY_AFTER_S)

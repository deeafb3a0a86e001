"""What a sink answers for each event that it is given."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from rtc_server.event import Event


class Fate(Enum):
    DELIVERED = auto()
    AGAIN = auto()
    """It has not arrived, or nobody knows: it is sent again later."""
    DEAD = auto()
    """It is not sent again, unless an operator says so."""


@dataclass(frozen=True, slots=True)
class Outcome:
    fate: Fate
    error: str = ""
    """A few words for an operator, without anything that the receiver sent or that is about a person."""
    retry_after_s: float = 0.0
    """Not sooner than that, as the receiver said."""


DELIVERED = Outcome(Fate.DELIVERED)


class Sink(Protocol):
    async def send(self, event: Event) -> Outcome:
        """One attempt, within SEND_WITHIN_S. Raises nothing because of the receiver."""
        ...

"""What other systems are told: put down by `store` beside the rows it tells of, sent by `delivery`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class EventType(StrEnum):
    STARTED = "session.started"
    UPDATED = "session.updated"
    """Every so many seconds of a session, and when one goes on that had ended."""
    ENDED = "session.ended"
    """Again where a session went on after a crash or a restart, or where time was added to it afterwards."""
    ERASED = "learner.erased"


class SinkName(StrEnum):
    """Where events go to."""

    WEBHOOK = "webhook"
    LEGACY = "legacy"
    """An endpoint that adds what it is sent."""
    XAPI = "xapi"
    """A Learning Record Store."""


SEND_WITHIN_S = 10.0
"""For one attempt, the answer included."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event for one sink, taken from the outbox to be sent."""

    row_id: int
    event_id: str
    """A UUID. It stays the same however often the event is sent."""
    sink: SinkName
    type: EventType
    occurred_at: datetime
    """UTC, aware."""
    data: Mapping[str, Any]
    """What the row says, ready for JSON."""
    attempt: int
    """1 for the first."""
    may_have_arrived: bool
    """An earlier attempt began, and nobody noted what came of it: the server was killed, for example."""

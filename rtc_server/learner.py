"""Who is being watched, and at what: the identity a signed token carries."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Learner:
    """A learner at one place of the course. One live peer exists for each value of it."""

    user_id: int
    module_id: int
    section_id: int | None = None
    """None where the module has no sections; 0 on the wire means the same."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a verified token allows its bearer."""

    learner: Learner
    policy: str
    """Name of the activity's policy, as in `reading`."""
    role: Literal["learner", "teacher"]

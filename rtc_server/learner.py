"""Who is being watched, and at what: the identity a signed token carries."""

from dataclasses import dataclass
from typing import Literal

MAX_NAME = 80
"""Characters of a display name."""


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
    modules: frozenset[int] = frozenset()
    """Modules that the bearer may read of, besides the learner's own."""
    display_name: str | None = None
    """What the learner is called on a teacher's page; at most MAX_NAME characters."""
    expires_at: float = float("inf")
    """Unix seconds."""

    @property
    def readable_modules(self) -> frozenset[int]:
        return self.modules | {self.learner.module_id}

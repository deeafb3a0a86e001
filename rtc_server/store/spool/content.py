"""Writes and reads one FocusRecord as JSON."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter

from rtc_server.record import FocusRecord


@dataclass(frozen=True, slots=True)
class _Content:
    """A record whose fields change gets the next version, unless the new ones have defaults."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    version: Literal[1]
    record: FocusRecord


_CONTENT = TypeAdapter(_Content)


def to_json(record: FocusRecord) -> bytes:
    return _CONTENT.dump_json(_Content(1, record))


def from_json(content: bytes) -> FocusRecord:
    """Raises ValueError if it is not a record of this version."""
    return _CONTENT.validate_json(content).record

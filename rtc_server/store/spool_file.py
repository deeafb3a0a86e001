"""One FocusRecord in a file."""

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter

from rtc_server.focus.record import FocusRecord


@dataclass(frozen=True, slots=True)
class _Content:
    """What stands in a file. A record whose fields change gets the next version."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    version: Literal[1]
    record: FocusRecord


_CONTENT = TypeAdapter(_Content)


def read_spooled(path: Path) -> FocusRecord:
    """Raises OSError, and ValueError where it is not a whole file of ours."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise ValueError("not a file")
    record = _CONTENT.validate_json(path.read_bytes()).record
    if path.stem != record.focus_session_id:
        raise ValueError("the file of another session")
    return record


def write_spooled(path: Path, record: FocusRecord) -> None:
    """Replaces the file, all of it or nothing, also where the power fails. Raises OSError."""
    temporary = path.with_suffix(".tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(_CONTENT.dump_json(_Content(1, record)))
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()  # a disk that is full needs the room
        raise
    sync(path.parent)


def sync(folder: Path) -> None:
    """So that a power cut does not undo a new name."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

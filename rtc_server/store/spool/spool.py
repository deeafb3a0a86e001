"""The sessions that wait for the database, each with its newest record.

Several servers may share the folder. A record has no owner: the next server that starts stores what waits. An older
record never replaces or removes a newer one. Everything here blocks: call it from a thread.
"""

import logging
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rtc_server.record import FocusRecord
from rtc_server.store.progress import progress
from rtc_server.store.spool.connection import (
    forget_deleted,
    is_damaged,
    is_there,
    open_if_there,
    open_to_write,
    opened_if_there,
    set_aside,
    take_room,
    unreadable_files,
)
from rtc_server.store.spool.content import from_json, to_json

logger = logging.getLogger(__name__)

_WRITE = """
INSERT INTO waiting VALUES (?, ?, ?, ?, ?)
ON CONFLICT (focus_session_id) DO UPDATE SET
  user_id = excluded.user_id, measured_s = excluded.measured_s,
  recorded_at = excluded.recorded_at, content = excluded.content
WHERE (excluded.measured_s, excluded.recorded_at) >= (measured_s, recorded_at)
"""
_REMOVE = "DELETE FROM waiting WHERE focus_session_id = ? AND (measured_s, recorded_at) <= (?, ?)"


@dataclass(frozen=True, slots=True)
class Survey:
    """Numbers of sessions in a spool."""

    waiting: int
    """Sessions that are not stored in the database yet."""
    unreadable: int
    """Sessions, and files that were set aside, that cannot be read."""


class Spool:
    """One server's access to the file, which is made when it is first needed. Use it from one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._connection: sqlite3.Connection | None = None

    def recover(self) -> list[FocusRecord]:
        """All waiting records, of this server and of others. Sets aside a damaged file. Raises nothing."""
        try:
            self._connection = open_if_there(self._folder)
            return list(_records(self._connection)) if self._connection is not None else []
        except (OSError, sqlite3.Error) as error:
            self._cannot_be_read(error)
            return []

    def write(self, record: FocusRecord) -> None:
        """Replaces the session's record, unless the old one is newer. Raises OSError and sqlite3.Error."""
        measured_s, recorded_at = progress(record)
        row = (record.focus_session_id, record.learner.user_id, measured_s, recorded_at.timestamp(), to_json(record))
        self._opened().execute(_WRITE, row)

    def remove(self, record: FocusRecord) -> None:
        """Removes this record and older ones: the database has it. Raises OSError and sqlite3.Error."""
        self._close_if_gone()
        if self._connection is None:
            return
        measured_s, recorded_at = progress(record)
        self._connection.execute(_REMOVE, (record.focus_session_id, measured_s, recorded_at.timestamp()))
        if not _count(self._connection):
            forget_deleted(self._connection)
            take_room(self._connection)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _opened(self) -> sqlite3.Connection:
        self._close_if_gone()
        if self._connection is None:
            self._connection = open_to_write(self._folder)
            take_room(self._connection)
        return self._connection

    def _close_if_gone(self) -> None:
        """Opens the file again if it was removed or set aside meanwhile."""
        if self._connection is not None and not is_there(self._folder):
            self.close()

    def _cannot_be_read(self, error: OSError | sqlite3.Error) -> None:
        cause = getattr(error, "sqlite_errorname", None) or getattr(error, "strerror", None)
        self.close()
        if not (isinstance(error, sqlite3.Error) and is_damaged(error)):
            logger.error("the spool cannot be read; see `rtc-server check`", extra={"cause": cause})
            return
        try:
            aside = set_aside(self._folder)
        except OSError as failure:
            logger.error("the spool is damaged and cannot be set aside", extra={"cause": failure.strerror})  # noqa: TRY400
        else:
            logger.error("the spool is damaged; it is set aside", extra={"cause": cause, "to": str(aside)})


def waiting(folder: Path) -> list[FocusRecord]:
    """Numbers of waiting and unreadable sessions. Raises OSError and sqlite3.Error."""
    with opened_if_there(folder) as connection:
        return list(_records(connection)) if connection is not None else []


def remove_waiting(folder: Path, *, user_id: int | None = None, older_than: datetime | None = None) -> int:
    """Removes the sessions of one user, or those last recorded before `older_than` (aware). Returns how many.

    Removes those of all servers. A running server does not write the same record again. Raises OSError, sqlite3.Error.
    """
    with opened_if_there(folder) as connection:
        if connection is None:
            return 0
        removed = 0
        if user_id is not None:
            removed += connection.execute("DELETE FROM waiting WHERE user_id = ?", (user_id,)).rowcount
        if older_than is not None:
            before = older_than.timestamp()
            removed += connection.execute("DELETE FROM waiting WHERE recorded_at < ?", (before,)).rowcount
        if removed:
            forget_deleted(connection)
        return removed


def survey(folder: Path) -> Survey:
    """Raises OSError or sqlite3.Error if the spool cannot be read or written now."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    with tempfile.TemporaryFile(dir=nearest) as probe:  # it never has a name
        probe.write(bytes(4096))
        probe.flush()
        os.fsync(probe.fileno())
    with opened_if_there(folder) as connection:
        total = _count(connection) if connection is not None else 0
        readable = sum(1 for _ in _records(connection, quietly=True)) if connection is not None else 0
    return Survey(total, total - readable + len(unreadable_files(folder)))


def _count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM waiting").fetchone()[0])


def _records(connection: sqlite3.Connection, *, quietly: bool = False) -> Iterator[FocusRecord]:
    """The records that can be read. A record that cannot, because a newer server wrote it, stays in the file."""
    for focus_session_id, content in connection.execute("SELECT focus_session_id, content FROM waiting"):
        try:
            record = from_json(content)
            if record.focus_session_id != focus_session_id:
                raise ValueError("the record of another session")  # noqa: TRY301 - it is no different to us
        except ValueError as error:
            if not quietly:
                # The error's text is not logged: it may contain personal data.
                logger.error(  # noqa: TRY400
                    "a session in the spool cannot be read; it stays there", extra={"cause": type(error).__name__}
                )
            continue
        yield record

"""Opens the spool's file, and reserves space in it for a full disk.

SQLite runs in WAL mode with synchronous=FULL: what is committed survives a kill and a power cut. Several servers may
use one file at once. Everything here blocks: call it from a thread.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from uuid import uuid4

_NAME = "spool.sqlite3"
_UNREADABLE = "unreadable"
_BUSY_S = 5.0
"""How long to wait for a lock. Other servers hold it for milliseconds."""
_ROOM_BYTES = 2**20
"""Space that is reserved, and overwritten when the disk is full: enough for about 60 sessions of an hour."""
_CHECKPOINT_PAGES = 64
"""Few pages, so that the log starts again often and stays within its space."""
_DAMAGED = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)

_TABLE = """
CREATE TABLE IF NOT EXISTS waiting (
  focus_session_id TEXT PRIMARY KEY,
  user_id INTEGER NOT NULL,
  measured_s REAL NOT NULL,
  recorded_at REAL NOT NULL,
  content BLOB NOT NULL
) STRICT
"""


def open_to_write(folder: Path) -> sqlite3.Connection:
    """Opens the spool, and makes folder and file if they are missing. Raises OSError and sqlite3.Error."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # SQLite gives its other files the rights of this one.
    os.close(os.open(folder / _NAME, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
    connection = _connect(folder)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(_TABLE)
    except BaseException:
        connection.close()
        raise
    return connection


def open_if_there(folder: Path) -> sqlite3.Connection | None:
    """Opens the spool; None if there is no file. Raises OSError and sqlite3.Error."""
    if not is_there(folder):
        if folder.exists():
            next(folder.iterdir(), None)  # raises if it is not a folder
        return None
    return open_to_write(folder)


def is_there(folder: Path) -> bool:
    return (folder / _NAME).exists()


@contextmanager
def opened_if_there(folder: Path) -> Iterator[sqlite3.Connection | None]:
    connection = open_if_there(folder)
    if connection is None:
        yield None
        return
    with closing(connection):
        yield connection


def take_room(connection: sqlite3.Connection) -> None:
    """Reserves disk space for the file and its log before it is needed. A full disk is no error."""
    path = Path(connection.execute("PRAGMA database_list").fetchone()[2])
    log = path.with_name(f"{path.name}-wal")
    page_bytes = connection.execute("PRAGMA page_size").fetchone()[0]
    free_bytes = connection.execute("PRAGMA freelist_count").fetchone()[0] * page_bytes
    if free_bytes >= _ROOM_BYTES // 2 and log.stat().st_size >= _ROOM_BYTES:
        return
    with suppress(sqlite3.OperationalError):
        connection.execute("CREATE TABLE IF NOT EXISTS room (content BLOB)")
        try:
            connection.execute("INSERT INTO room VALUES (zeroblob(?))", (_ROOM_BYTES,))
        finally:
            connection.execute("DROP TABLE IF EXISTS room")
    # The log keeps its length and starts again from its beginning.
    connection.execute("PRAGMA wal_checkpoint(RESTART)")


def forget_deleted(connection: sqlite3.Connection) -> None:
    """Removes deleted data from the log. If another server reads now, this does nothing; that server does it later."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def is_damaged(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _DAMAGED


def set_aside(folder: Path) -> Path:
    """Moves a damaged file to `unreadable/`, where somebody can look at it. Raises OSError."""
    aside = folder / _UNREADABLE
    aside.mkdir(mode=0o700, exist_ok=True)
    name = f"{uuid4()}-{_NAME}"
    for suffix in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            (folder / f"{_NAME}{suffix}").rename(aside / f"{name}{suffix}")
    return aside


def unreadable_files(folder: Path) -> list[Path]:
    """The files that were set aside. Raises OSError."""
    try:
        return sorted((folder / _UNREADABLE).iterdir())
    except FileNotFoundError:
        return []


def _connect(folder: Path) -> sqlite3.Connection:
    # It is used by one thread at a time, but not always by the same one.
    connection = sqlite3.connect(folder / _NAME, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA secure_delete=ON")
    connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
    return connection

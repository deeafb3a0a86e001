"""Sessions that the database did not take, each in a file, until it does.

    RTC_SPOOL/run-…/<focus_session_id>.json    a folder for each run of a server that had something to keep
    RTC_SPOOL/unreadable/                      what was found in such a folder and could not be read

A server locks the folder of its run while it lives, so that several may share RTC_SPOOL: at its start a
server takes over those folders whose lock is free, whose servers are gone. While all is well there is nothing.
Everything here blocks: call it from a thread.
"""

import fcntl
import logging
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from rtc_server.focus.record import FocusRecord
from rtc_server.store.progress import progress
from rtc_server.store.spool_file import read_spooled, sync, write_spooled

_log = logging.getLogger(__name__)

_RUN = "run-"
_UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Survey:
    """What is in a spool."""

    waiting: int
    """Files of sessions that no database has yet."""
    unreadable: int
    """Files that were set aside."""


class Spool:
    """One server's part of the folder. Use it from one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own: Path | None = None
        self._locks: dict[Path, int] = {}
        """File descriptors, by the folder that each one holds."""
        self._files: dict[str, Path] = {}
        """By FocusSession."""

    def recover(self) -> list[FocusRecord]:
        """Takes over what servers that are gone have left. Sets aside what cannot be read; raises nothing."""
        found: dict[str, FocusRecord] = {}
        try:
            for run in _runs(self._folder):
                self._recover_run(run, found)
        except OSError as error:
            _log.error("the spool cannot be searched; see `rtc-server check`", extra={"cause": error.strerror})
        return list(found.values())

    def write(self, record: FocusRecord) -> None:
        """Replaces its FocusSession's file, all of it or nothing. Raises OSError."""
        path = self._files.get(record.focus_session_id)
        if path is None or not path.parent.is_dir():
            path = self._own_folder() / f"{record.focus_session_id}.json"
        write_spooled(path, record)
        self._files[record.focus_session_id] = path

    def remove(self, focus_session_id: str) -> None:
        """Nothing where there is no such file. Raises OSError."""
        path = self._files.get(focus_session_id)
        if path is not None:
            path.unlink(missing_ok=True)
            del self._files[focus_session_id]
            self._leave_if_empty(path.parent)

    def close(self) -> None:
        """Gives the folders up to whoever starts next, with what is still in them."""
        for descriptor in self._locks.values():
            os.close(descriptor)
        self._locks.clear()

    def _own_folder(self) -> Path:
        while self._own is None or not self._own.is_dir():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            run = self._folder / f"{_RUN}{uuid4()}"
            run.mkdir(mode=0o700)
            sync(self._folder)
            if self._lock(run):  # else a server that starts just now took it for abandoned
                self._own = run
        return self._own

    def _lock(self, run: Path) -> bool:
        """False where another server has it, or had it and has removed it."""
        locked = False
        try:
            descriptor = os.open(run, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Between the two it may have been taken over, emptied and removed.
            locked = os.path.samestat(os.fstat(descriptor), run.stat())
        except (BlockingIOError, FileNotFoundError):
            return False
        finally:
            if not locked:
                os.close(descriptor)
        if locked:
            self._locks[run] = descriptor
        return locked

    def _recover_run(self, run: Path, found: dict[str, FocusRecord]) -> None:
        with suppress(NotADirectoryError):  # somebody else's
            if run in self._locks or not self._lock(run):
                return
            for path in sorted(run.iterdir()):
                try:
                    record = read_spooled(path)
                except (OSError, ValueError) as error:
                    self._set_aside(path, error)
                else:
                    self._note(record, path, found)
            self._leave_if_empty(run)

    def _note(self, record: FocusRecord, path: Path, found: dict[str, FocusRecord]) -> None:
        """Of two files of one session (one may be a finished file that was not yet renamed) the newer counts."""
        key = record.focus_session_id
        if key in found and progress(found[key]) > progress(record):
            path.unlink()
            return
        if key in found and self._files[key] != path.with_suffix(".json"):
            self._files[key].unlink()
        if path.suffix != ".json":
            path = path.replace(path.with_suffix(".json"))
        self._files[key] = path
        found[key] = record

    def _set_aside(self, path: Path, why: Exception) -> None:
        # Neither its name nor the error's words: both may hold somebody's data.
        cause = type(why).__name__
        try:
            aside = self._folder / _UNREADABLE
            aside.mkdir(mode=0o700, exist_ok=True)
            path.rename(aside / f"{uuid4()}-{path.name}")
        except OSError as error:
            _log.error("a file in the spool cannot be read, nor set aside", extra={"cause": [cause, error.strerror]})
        else:
            _log.error("a file in the spool cannot be read; it is set aside", extra={"cause": cause, "to": str(aside)})

    def _leave_if_empty(self, run: Path) -> None:
        with suppress(OSError):  # others are still in it
            run.rmdir()
            os.close(self._locks.pop(run))


def spooled_files(folder: Path) -> list[Path]:
    """Of all servers. Raises OSError."""
    files: list[Path] = []
    for run in _runs(folder):
        with suppress(FileNotFoundError, NotADirectoryError):
            files += run.iterdir()
    return files


def unreadable_files(folder: Path) -> list[Path]:
    """What was set aside. Raises OSError."""
    try:
        return sorted((folder / _UNREADABLE).iterdir())
    except FileNotFoundError:
        return []


def survey(folder: Path) -> Survey:
    """Raises OSError where the folder cannot be read, or, there or where it is to be, nothing can be written."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    with tempfile.TemporaryFile(dir=nearest) as probe:  # it never has a name
        probe.write(bytes(4096))
        probe.flush()
        os.fsync(probe.fileno())
    return Survey(len(spooled_files(folder)), len(unreadable_files(folder)))


def _runs(folder: Path) -> list[Path]:
    """Nothing else in the folder is ours: it is left alone."""
    try:
        return sorted(path for path in folder.iterdir() if path.name.startswith(_RUN))
    except FileNotFoundError:
        return []

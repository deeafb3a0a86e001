"""What can happen to a database under a server that writes to it."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from tests.databases import PrivateMariaDb, PrivatePostgreSql, PrivateServer

LOCKED, REFUSED = 1, 2
"""User ids."""
DISK = "400m"
PLATFORM = "platform"
"""The database's user: one without rights over the whole server, as a platform has it."""


class FailingDatabase:
    """A private database server with a small disk, and one database in it."""

    def __init__(self, folder: Path, server: PrivateServer) -> None:
        self.server = server
        self.folder = folder
        name = make_url(server.new_database()).database
        assert name is not None
        self.name = name
        if self.is_mysql:
            server.execute(f"CREATE USER {PLATFORM}@localhost")
            server.execute(f"GRANT ALL ON {name}.* TO {PLATFORM}@localhost")
        else:
            server.execute(f"CREATE ROLE {PLATFORM} LOGIN")
            server.execute(f"ALTER DATABASE {name} OWNER TO {PLATFORM}")
        self.url = server.url(PLATFORM, name)
        self._all_rights = server.url("root", name)

    @property
    def is_mysql(self) -> bool:
        return isinstance(self.server, PrivateMariaDb)

    async def execute(self, *statements: str) -> None:
        """With all rights, each on its own."""
        engine = create_async_engine(self._all_rights, isolation_level="AUTOCOMMIT")
        try:
            async with engine.connect() as connection:
                for statement in statements:
                    await connection.execute(text(statement))
        finally:
            await engine.dispose()

    async def end_connections(self) -> None:
        """Those of the platform's user, often in the middle of a statement."""
        listed, end = (
            (f"SELECT id FROM information_schema.processlist WHERE user = '{PLATFORM}'", "KILL {}")
            if self.is_mysql
            else (f"SELECT pid FROM pg_stat_activity WHERE usename = '{PLATFORM}'", "SELECT pg_terminate_backend({})")
        )
        engine = create_async_engine(self._all_rights, isolation_level="AUTOCOMMIT")
        try:
            async with engine.connect() as connection:
                for (number,) in (await connection.execute(text(listed))).all():
                    with suppress(Exception):  # it is gone already
                        await connection.execute(text(end.format(number)))
        finally:
            await engine.dispose()


@dataclass(frozen=True, slots=True)
class DatabaseFault:
    name: str
    during: Callable[[FailingDatabase, float], Coroutine[Any, Any, None]]
    """For so many seconds. Returns once it is over."""


@contextmanager
def small_disk(size: str) -> Iterator[Path]:
    """A file system of its own, in memory. Needs root."""
    folder = Path(tempfile.mkdtemp(prefix="rtc-disk-"))
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
        try:
            yield folder
        finally:
            subprocess.run(["umount", str(folder)], check=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Nothing more fits on the disk of this folder."""
    filler = folder / "filler"
    try:
        with filler.open("wb") as file, suppress(OSError):
            free = os.statvfs(folder)
            os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize)
        yield
    finally:
        filler.unlink()


@contextmanager
def private_database(kind: str) -> Iterator[FailingDatabase]:
    """kind: `mysql` or `postgresql`."""
    with small_disk(DISK) as folder:
        server = PrivateMariaDb(folder) if kind == "mysql" else PrivatePostgreSql(folder)
        server.start()
        try:
            yield FailingDatabase(folder, server)
        finally:
            server.stop()


async def _stopped(database: FailingDatabase, seconds: float) -> None:
    await asyncio.to_thread(database.server.stop)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(database.server.start)


async def _killed(database: FailingDatabase, seconds: float) -> None:
    await asyncio.to_thread(database.server.stop, signal.SIGKILL)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(database.server.start)


async def _frozen(database: FailingDatabase, seconds: float) -> None:
    with database.server.frozen():
        await asyncio.sleep(seconds)


async def _reset(database: FailingDatabase, seconds: float) -> None:
    for _ in range(max(1, round(seconds / 0.5))):
        await database.end_connections()
        await asyncio.sleep(0.5)


async def _read_only(database: FailingDatabase, seconds: float) -> None:
    """As after a failover to a replica."""
    if database.is_mysql:
        await database.execute("SET GLOBAL read_only = 1")
        await asyncio.sleep(seconds)
        await database.execute("SET GLOBAL read_only = 0")
        return
    await database.execute(f"ALTER ROLE {PLATFORM} SET default_transaction_read_only = on")
    await database.end_connections()
    await asyncio.sleep(seconds)
    await database.execute(f"ALTER ROLE {PLATFORM} RESET default_transaction_read_only")
    await database.end_connections()


async def _full(database: FailingDatabase, seconds: float) -> None:
    """The disk, and what the tables had in reserve."""
    numbers = "seq_1_to_2000" if database.is_mysql else "generate_series(1, 2000)"
    key = "UUID()" if database.is_mysql else "gen_random_uuid()"
    fill = f"INSERT INTO rtc_focus_spans SELECT {key}, 1, 0, 1, 'unknown', 'filler' FROM {numbers}"
    with full(database.folder):
        with suppress(Exception):
            while True:
                await database.execute(fill)
        await asyncio.sleep(seconds)
    await asyncio.to_thread(database.server.stop)  # PostgreSQL has ended by itself
    await asyncio.to_thread(database.server.start)
    await database.execute("DELETE FROM rtc_focus_spans WHERE reason = 'filler'")


async def _locked(database: FailingDatabase, seconds: float) -> None:
    """One learner's rows, by somebody else's transaction."""
    engine = create_async_engine(database.url)
    try:
        async with engine.begin() as connection:
            for table in ("rtc_focus_sessions", "eye_tracking_sessions"):
                await connection.execute(text(f"SELECT * FROM {table} WHERE user_id = {LOCKED} FOR UPDATE"))
            await asyncio.sleep(seconds)
    finally:
        await engine.dispose()


async def _refused(database: FailingDatabase, seconds: float) -> None:
    """One learner's row, by a rule of the platform's."""
    if database.is_mysql:
        begin = (
            "CREATE TRIGGER refuse BEFORE UPDATE ON eye_tracking_sessions FOR EACH ROW "
            f"BEGIN IF NEW.user_id = {REFUSED} THEN SIGNAL SQLSTATE '45000'; END IF; END"
        )
        end = "DROP TRIGGER refuse"
    else:
        begin = f"ALTER TABLE eye_tracking_sessions ADD CONSTRAINT refuse CHECK (user_id <> {REFUSED}) NOT VALID"
        end = "ALTER TABLE eye_tracking_sessions DROP CONSTRAINT refuse"
    await database.execute(begin)
    await asyncio.sleep(seconds)
    await database.execute(end)


DATABASE_FAULTS = (
    DatabaseFault("stopped", _stopped),
    DatabaseFault("killed", _killed),
    DatabaseFault("frozen", _frozen),
    DatabaseFault("connections reset", _reset),
    DatabaseFault("read-only", _read_only),
    DatabaseFault("disk full", _full),
    DatabaseFault("one learner's rows locked", _locked),
    DatabaseFault("one learner's row refused", _refused),
)

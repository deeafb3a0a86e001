"""What can happen to a database under a server that writes to it."""

import asyncio
import shutil
import signal
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.databases import PrivateMariaDb, PrivatePostgreSql, PrivateServer

Fault = Callable[[Any, str, float], Awaitable[None]]
"""Of the database's server, its URL, for so many seconds."""
LOCKED, REFUSED = 1, 2
"""User ids."""


@dataclass(frozen=True, slots=True)
class DatabaseFault:
    name: str
    _fault: Fault

    async def during(self, server: Any, stage: Any, seconds: float) -> None:
        """Returns once it is over."""
        await self._fault(server, stage.database_url, seconds)


@contextmanager
def private_database(kind: str) -> Iterator[PrivateServer]:
    folder = Path(tempfile.mkdtemp(prefix="rtc-db-"))
    try:
        server = PrivateMariaDb(folder) if kind == "mysql" else PrivatePostgreSql(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _stopped(server: PrivateServer, _url: str, seconds: float) -> None:
    server.stop()
    await asyncio.sleep(seconds)
    server.start()


async def _killed(server: PrivateServer, _url: str, seconds: float) -> None:
    server.stop(signal.SIGKILL)
    await asyncio.sleep(seconds)
    server.start()


async def _frozen(server: PrivateServer, _url: str, seconds: float) -> None:
    with server.frozen():
        await asyncio.sleep(seconds)


async def _reset(_server: PrivateServer, url: str, seconds: float) -> None:
    """Every connection but this one, again and again, often in the middle of a statement."""
    mysql = url.startswith("mysql")
    listed = (
        "SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID()"
        if mysql
        else "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
    )
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            for _ in range(max(1, round(seconds / 0.5))):
                for (number,) in (await connection.execute(text(listed))).all():
                    end = f"KILL {number}" if mysql else f"SELECT pg_terminate_backend({number})"
                    with suppress(Exception):  # it is gone already
                        await connection.execute(text(end))
                await asyncio.sleep(0.5)
    finally:
        await engine.dispose()


async def _locked(_server: PrivateServer, url: str, seconds: float) -> None:
    """One learner's rows, by somebody else's transaction."""
    engine = create_async_engine(url)
    try:
        async with engine.begin() as connection:
            for table in ("rtc_focus_sessions", "eye_tracking_sessions"):
                await connection.execute(text(f"SELECT * FROM {table} WHERE user_id = {LOCKED} FOR UPDATE"))
            await asyncio.sleep(seconds)
    finally:
        await engine.dispose()


async def _refused(_server: PrivateServer, url: str, seconds: float) -> None:
    """One learner's row, by a rule of the platform's."""
    if url.startswith("mysql"):
        begin = (
            "CREATE TRIGGER refuse BEFORE UPDATE ON eye_tracking_sessions FOR EACH ROW "
            f"BEGIN IF NEW.user_id = {REFUSED} THEN SIGNAL SQLSTATE '45000'; END IF; END"
        )
        end = "DROP TRIGGER refuse"
    else:
        begin = f"ALTER TABLE eye_tracking_sessions ADD CONSTRAINT refuse CHECK (user_id <> {REFUSED}) NOT VALID"
        end = "ALTER TABLE eye_tracking_sessions DROP CONSTRAINT refuse"
    engine = create_async_engine(url)
    try:
        async with engine.begin() as connection:
            await connection.execute(text(begin))
        await asyncio.sleep(seconds)
        async with engine.begin() as connection:
            await connection.execute(text(end))
    finally:
        await engine.dispose()


DATABASE_FAULTS = (
    DatabaseFault("stopped", _stopped),
    DatabaseFault("killed", _killed),
    DatabaseFault("frozen", _frozen),
    DatabaseFault("connections reset", _reset),
    DatabaseFault("one learner's rows locked", _locked),
    DatabaseFault("one learner's row refused", _refused),
)

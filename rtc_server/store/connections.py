"""Connections to the database: how they behave, in each of the databases."""

from pathlib import Path
from typing import Any

import sqlalchemy.exc
from sqlalchemy import event, make_url
from sqlalchemy.engine import URL, Connection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from rtc_server.errors import StoreUnavailable
from rtc_server.store.keepalive import keep_alive
from rtc_server.store.platform.calendar_day import POSTGRESQL_ZONE
from rtc_server.store.schema import MYSQL

DRIVERS = {"mysql": "aiomysql", "mariadb": "aiomysql", "postgresql": "asyncpg", "sqlite": "aiosqlite"}

LOCK_WAIT_S = 3
"""How long a write waits for a row that somebody else has locked. MySQL's default is 50 s."""
STANDS_STILL_S = 20
"""A server that stands still in the middle of a transaction has rows locked. After so long the database ends it."""
READS_AT_ONCE = 4
"""Connections for reads. A read takes milliseconds; more reads at once would only slow down the saves."""


def parse_url(url: str) -> URL:
    """Raises StoreUnavailable with a sentence that never has the password in it."""
    try:
        parsed = make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        # SQLAlchemy's error quotes the URL, which may contain a password.
        raise StoreUnavailable(
            "RTC_DATABASE_URL is not the URL of a database. Write it as mysql+aiomysql://user:password@host/name."
        ) from None
    backend = parsed.get_backend_name()
    if backend not in DRIVERS:
        raise StoreUnavailable(
            f"There is no driver for {backend!r} databases: RTC_DATABASE_URL must start with mysql+aiomysql://, "
            "postgresql+asyncpg:// or sqlite+aiosqlite:///."
        )
    # mysql:// and postgresql:// would name blocking drivers: use the asynchronous ones.
    return parsed.set(drivername=f"{backend}+{DRIVERS[backend]}")


def open_reads(url: str, *, connect_timeout_s: float = 5.0) -> AsyncEngine:
    """A second, small pool for reads, so that they never use up the connections for saves.

    Connects when it is first used. The caller disposes of it. Raises StoreUnavailable if `url` is not valid.
    """
    return make_engine(parse_url(url), connect_timeout_s, reads=True)


def make_engine(url: URL, connect_timeout_s: float, *, reads: bool = False) -> AsyncEngine:
    backend = url.get_backend_name()
    arguments: dict[str, Any]
    options: dict[str, Any] = {"pool_pre_ping": True}
    if reads:
        options |= {"pool_size": READS_AT_ONCE, "max_overflow": 0}
        if backend != "sqlite":
            # Nothing to commit and nothing to roll back: two round trips less for each read.
            options |= {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}
    if backend in MYSQL:
        session = f"SET time_zone = '+00:00', innodb_lock_wait_timeout = {LOCK_WAIT_S}, wait_timeout = {STANDS_STILL_S}"
        arguments = {"connect_timeout": connect_timeout_s, "init_command": session}
        # MySQL's default level also locks the gaps between keys: two servers that insert would wait for each other.
        options.setdefault("isolation_level", "READ COMMITTED")
    elif backend == "postgresql":
        arguments = {
            "timeout": connect_timeout_s,
            "server_settings": {
                "lock_timeout": f"{LOCK_WAIT_S}s",
                "idle_in_transaction_session_timeout": f"{STANDS_STILL_S}s",
            },
        }
    else:
        arguments = {"timeout": connect_timeout_s}  # for a lock that another process holds
        if url.database and not url.database.startswith(("file:", ":memory:")):
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    # Errors show the statement, never its values: those are personal data.
    engine = create_async_engine(url, connect_args=arguments, hide_parameters=True, **options)
    if backend == "sqlite":
        _begin_in_sqlite(engine, "BEGIN" if reads else "BEGIN IMMEDIATE")
        return engine
    if backend == "postgresql":
        _speak_utc_to_postgresql(engine)
    event.listen(engine.sync_engine, "connect", keep_alive)
    return engine


def _speak_utc_to_postgresql(engine: AsyncEngine) -> None:
    """Sets UTC after connecting. As a connection parameter it would hide the database's own zone, which we need too."""

    @event.listens_for(engine.sync_engine, "connect")
    def _set_time_zone(dbapi_connection: Any, record: Any) -> None:
        cursor = dbapi_connection.cursor()
        try:
            cursor.execute("SHOW TimeZone")
            (record.info[POSTGRESQL_ZONE],) = cursor.fetchone()
            cursor.execute("SET TIME ZONE 'UTC'")
        finally:
            cursor.close()
        dbapi_connection.commit()


def _begin_in_sqlite(engine: AsyncEngine, statement: str) -> None:
    """Begins each transaction of a writing engine with SQLite's write lock.

    Without that, a transaction which reads first fails at once if another one writes; with it, it waits.
    """

    @event.listens_for(engine.sync_engine, "connect")
    def _leave_transactions_to_us(dbapi_connection: Any, _record: object) -> None:
        dbapi_connection.isolation_level = None

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(statement)

"""Brings a database's schema up to date, whether it is empty, the platform's, or ours already."""

from pathlib import Path

import alembic.command
import alembic.util
from alembic.config import Config
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from rtc_server.errors import StoreUnavailable
from rtc_server.store.schema import MYSQL, platform_metadata, platform_rows

VERSION_TABLE = "rtc_alembic_version"
"""Not Alembic's usual name, which the platform's own migrations may use."""

_LOCK_NAME = "rtc_server_schema_upgrade"
_LOCK_NUMBER = 7_264_510_335_512
_LOCK_WAIT_S = 60


async def upgrade_schema(engine: AsyncEngine) -> None:
    """Creates missing tables and upgrades our own. Servers that start together take turns.

    Raises StoreUnavailable if the platform's table lacks a column, or if our tables are of a newer version.
    """
    async with engine.begin() as connection:
        await connection.run_sync(_upgrade_alone)


def _upgrade_alone(connection: Connection) -> None:
    dialect = connection.dialect.name
    if dialect in MYSQL:
        # A lock of the connection, because MySQL commits the transaction at each CREATE TABLE.
        if connection.scalar(text("SELECT GET_LOCK(:name, :wait)"), {"name": _LOCK_NAME, "wait": _LOCK_WAIT_S}) != 1:
            raise StoreUnavailable(
                "Another server has been upgrading this database for a minute. Wait for it, or see its log."
            )
        try:
            _upgrade(connection)
        finally:
            connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": _LOCK_NAME})
        return
    if dialect == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_WAIT_S}s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK_NUMBER})
    # SQLite: the transaction itself is the lock (engine.py begins it at once as a writer).
    _upgrade(connection)


def _upgrade(connection: Connection) -> None:
    platform_metadata.create_all(connection)
    _check_platform_table(connection)
    config = Config(attributes={"connection": connection, "version_table": VERSION_TABLE})
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    try:
        alembic.command.upgrade(config, "head")
    except alembic.util.CommandError as error:
        raise StoreUnavailable(
            f"The tables rtc_… in this database are of a version that this server does not know ({error}): "
            "install the newer version."
        ) from error


def _check_platform_table(connection: Connection) -> None:
    present = {column["name"].lower() for column in inspect(connection).get_columns(platform_rows.name)}
    missing = [column.name for column in platform_rows.columns if column.name not in present]
    if missing:
        raise StoreUnavailable(
            f"The table {platform_rows.name} has no column {', '.join(missing)}. It is the platform's and is never "
            "altered from here: add what is missing, or point RTC_DATABASE_URL at another database."
        )

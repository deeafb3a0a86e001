"""The database's own clock, which all servers share."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rtc_server.store.schema import MYSQL, as_utc


async def database_now(connection: AsyncConnection) -> datetime:
    """UTC, aware."""
    dialect = connection.dialect.name
    if dialect == "sqlite":
        moment = await connection.scalar(text("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')"))
        return as_utc(datetime.fromisoformat(str(moment)))
    statement = "SELECT UTC_TIMESTAMP(6)" if dialect in MYSQL else "SELECT clock_timestamp()"
    moment = await connection.scalar(text(statement))
    assert isinstance(moment, datetime)
    return as_utc(moment)

"""Opens the database. If that fails, the error says what to do."""

import asyncio

import sqlalchemy.exc
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rtc_server.errors import StoreUnavailable
from rtc_server.store.connections import make_engine, parse_url
from rtc_server.store.upgrade import upgrade_schema
from rtc_server.store.why_unavailable import why_unavailable


async def open_store(url: str, *, connect_timeout_s: float = 10.0) -> AsyncEngine:
    """Connects, brings the schema up to date and returns an engine, which the caller disposes of.

    Raises StoreUnavailable with a sentence that says what is wrong and what to do, and never the password.
    """
    parsed = parse_url(url)
    engine = make_engine(parsed, connect_timeout_s)
    try:
        async with asyncio.timeout(connect_timeout_s), engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
        await upgrade_schema(engine)
    except (sqlalchemy.exc.SQLAlchemyError, OSError) as error:
        await engine.dispose()
        raise StoreUnavailable(why_unavailable(parsed, error)) from error
    except BaseException:
        await engine.dispose()
        raise
    return engine

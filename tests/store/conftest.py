"""A store of each kind, and writers that are closed at the end."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from rtc_server.store.engine import open_store
from rtc_server.store.spool.spool import Spool
from rtc_server.store.transactions import Transactions
from rtc_server.store.writer import FocusWriter

Keep = Callable[[AsyncEngine], AsyncEngine]
StartWriter = Callable[..., Awaitable[FocusWriter]]


@pytest.fixture
async def keep() -> AsyncIterator[Keep]:
    """Takes an engine, and disposes of it when the test ends, however it ends."""
    engines: list[AsyncEngine] = []

    def take(engine: AsyncEngine) -> AsyncEngine:
        engines.append(engine)
        return engine

    yield take
    for engine in engines:
        await engine.dispose()


@pytest.fixture
def plain(database_url: str, keep: Keep) -> AsyncEngine:
    """The same database as the platform sees it: nothing of ours is done to it or to its connections."""
    return keep(create_async_engine(database_url))


@pytest.fixture
async def engine(database_url: str, keep: Keep) -> AsyncEngine:
    return keep(await open_store(database_url))


OVERDUE_S = 2.0


@pytest.fixture
def spool_folder(tmp_path: Path) -> Path:
    """Not there yet, like `RTC_SPOOL` on a server that has had no outage."""
    return tmp_path / "var/spool"


@pytest.fixture
async def start_writer(keep: Keep, spool_folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StartWriter]:
    """Starts a FocusWriter whose rounds are a minute apart: what a test sees early came at once.

    Each session has a row of its own, unless told otherwise.
    """
    # On a busy machine a write may take as long as one to a database that hangs: it would be spooled as well.
    monkeypatch.setattr("rtc_server.store.writer._OVERDUE_S", OVERDUE_S)
    writers: list[FocusWriter] = []

    async def start(engine: AsyncEngine, save_interval_s: float = 60.0, **options: Any) -> FocusWriter:
        rows: Any = Transactions(engine, options.pop("rows", "session"), options.pop("write_timeout_s", 15.0))
        writer = FocusWriter(rows, Spool(spool_folder), save_interval_s, **options)
        writers.append(writer)
        await writer.start()
        return writer

    yield start
    for writer in writers:
        await writer.close(deadline_s=2.0)


@pytest.fixture
async def writer(engine: AsyncEngine, start_writer: StartWriter) -> FocusWriter:
    return await start_writer(engine)


async def query(engine: AsyncEngine, statement: str, **values: object) -> list[tuple[Any, ...]]:
    """The rows of a plain SQL statement; also runs those that have none."""
    async with engine.begin() as connection:
        result = await (
            connection.execute(text(statement), values) if values else connection.exec_driver_sql(statement)
        )
        return [tuple(row) for row in result] if result.returns_rows else []

"""Rows: the database, its writer and reader, the spool, and what is removed with age."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

from rtc_server.composition.background import finish
from rtc_server.composition.outbox import make_outbox
from rtc_server.reading.process import ReadingProcess
from rtc_server.settings import Settings
from rtc_server.store.engine import open_store
from rtc_server.store.erasure import LearnerErasure
from rtc_server.store.leases import Leases
from rtc_server.store.outbox.rows import OutboxTransactions
from rtc_server.store.platform.catalogue import keep_catalogue
from rtc_server.store.retention import keep_expiring
from rtc_server.store.spool.spool import Spool
from rtc_server.store.transactions import OwnershipTransactions, Transactions
from rtc_server.store.writer import FocusWriter

DATABASE_SHARE = 0.5
"""Of the time for an orderly stop: so long it waits for the database. The rest is for the spool."""


@dataclass(frozen=True, slots=True)
class Store:
    writer: FocusWriter
    reading: ReadingProcess
    erasure: LearnerErasure
    leases: Leases
    outbox: OutboxTransactions


async def open_rows(settings: Settings, owned: AsyncExitStack) -> Store:
    """Raises SettingsError, StoreUnavailable. What it opens is closed by `owned`."""
    outbox = make_outbox(settings)
    url = settings.database_url.get_secret_value()
    engine = await open_store(url)
    owned.push_async_callback(engine.dispose)
    reading = ReadingProcess(url, settings.log_level)
    owned.push_async_callback(reading.close)
    rows = Transactions(engine, settings.platform_rows, outbox=outbox)
    writer = FocusWriter(rows, Spool(settings.spool), settings.save_interval)
    leases = Leases(OwnershipTransactions(engine, outbox), writer, settings.resume_window)
    owned.push_async_callback(leases.close)
    await writer.start()
    owned.push_async_callback(writer.close, settings.drain_timeout * DATABASE_SHARE)
    await leases.start()
    stopping = asyncio.Event()
    catalogue = asyncio.create_task(keep_catalogue(engine, stopping), name="catalogue")
    owned.push_async_callback(finish, catalogue, stopping)
    if settings.retention_days is not None:
        expiring = keep_expiring(
            engine,
            settings.spool,
            settings.retention_days,
            stopping,
            with_platform_rows=settings.retention_platform_rows,
        )
        owned.push_async_callback(finish, asyncio.create_task(expiring, name="retention"), stopping)
    erasure = LearnerErasure(engine, settings.spool, with_platform_rows=settings.retention_platform_rows, outbox=outbox)
    return Store(writer, reading, erasure, leases, OutboxTransactions(engine))

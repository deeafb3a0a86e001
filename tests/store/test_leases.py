"""A server's lease, with a real database that goes away."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from rtc_server.store.engine import open_store
from rtc_server.store.leases import RENEW_EVERY_S, Leases
from rtc_server.store.reader import FocusReader
from rtc_server.store.transactions import OwnershipTransactions
from tests.databases import PrivateMariaDb
from tests.store.conftest import Keep, StartWriter, query
from tests.store.records import hand_over, record, span

NOBODY = "nobody".ljust(36, "0")


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110 - a lease tells nobody
            await asyncio.sleep(0.05)


async def test_after_an_outage_the_others_get_time_to_renew_theirs(
    mariadb_server: PrivateMariaDb, mariadb_url: str, keep: Keep, start_writer: StartWriter
) -> None:
    """All leases run out while the database is away. Who is back first must not close what the others have."""
    engine = keep(await open_store(mariadb_url))
    writer, reader = await start_writer(engine), FocusReader(engine)
    leases = Leases(OwnershipTransactions(engine), writer, 60.0, lease_s=3 * RENEW_EVERY_S)
    await leases.start()
    try:
        mariadb_server.stop()
        try:
            await until(lambda: not leases.held)
        finally:
            mariadb_server.start()
        await until(lambda: leases.held)
        orphan = replace(record(None, span(0, 1)), server_id=NOBODY, recorded_at=datetime.now(UTC))
        hand_over(writer, orphan)
        await writer.settle(orphan.focus_session_id)
        held_at = asyncio.get_running_loop().time()
        async with asyncio.timeout(20):
            while (  # noqa: ASYNC110 - rows tell nobody
                found := await reader.stored_session(orphan.focus_session_id)
            ) and found.ended_at is None:
                await asyncio.sleep(0.1)
        assert asyncio.get_running_loop().time() - held_at >= 3 * RENEW_EVERY_S - 0.5
        assert found is not None
        assert found.record.end_reason == "crash"
    finally:
        await leases.close()
    assert await query(engine, "SELECT server_id FROM rtc_servers") == [], "and it is given up in good order"

"""smoke"""

from rtc_server.store.engine import open_store
from rtc_server.store.reader import FocusReader
from rtc_server.store.writer import FocusWriter
from tests.store.records import record, span


async def test_round_trip(database_url: str) -> None:
    engine = await open_store(database_url)
    writer = FocusWriter(engine, 60)
    await writer.start()
    r = record(None, span(0, 1.25), span(1.25, 3.1), at_s=5)
    writer.put(r)
    await writer.settle(r.focus_session_id)
    found = await FocusReader(engine).stored_session(r.focus_session_id)
    assert found.record == r
    await writer.close()
    await engine.dispose()

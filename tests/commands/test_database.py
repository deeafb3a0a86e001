"""`rtc-server db upgrade` and `rtc-server erase`."""

import argparse
import asyncio
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import SecretStr

from rtc_server.commands import database, erase, outbox
from rtc_server.errors import StoreUnavailable
from rtc_server.event import EventType, SinkName
from rtc_server.settings import Settings
from rtc_server.store.engine import open_store
from rtc_server.store.outbox.outbox import Outbox
from rtc_server.store.outbox.rows import OutboxTransactions
from rtc_server.store.spool.spool import Spool
from rtc_server.store.sql import write_records
from rtc_server.store.transactions import Transactions
from rtc_server.store.writer import FocusWriter
from tests.store.records import hand_over, record, span


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def run(command: ModuleType, url: str, spool: Path, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(arguments), Settings(database_url=SecretStr(url), spool=spool))


async def store_one_session(url: str, spool: Path) -> None:
    engine = await open_store(url)
    writer = FocusWriter(Transactions(engine, "day"), Spool(spool), save_interval_s=60)
    await writer.start()
    hand_over(writer, record(None, span(0, 1), span(1, 2), end_reason="stopped"))
    await writer.close()
    await engine.dispose()


def test_upgrade_may_be_run_again(database_url: str, spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert run(database, database_url, spool, "upgrade") == 0
        assert capsys.readouterr().out == "The database is up to date.\n"


def test_erase_says_what_is_gone(sqlite_url: str, spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(store_one_session(sqlite_url, spool))
    left = Spool(spool)
    left.write(record(None, span(0, 1)))
    left.close()
    assert run(erase, sqlite_url, spool, "--user", "7") == 0
    assert capsys.readouterr().out == (
        "Removed 1 focus sessions with 2 spans, 1 that waited for the database, and 0 rows of eye_tracking_sessions.\n"
    )
    assert run(erase, sqlite_url, spool, "--user", "7", "--platform-rows") == 0
    assert capsys.readouterr().out == (
        "Removed 0 focus sessions with 0 spans, 0 that waited for the database, and 1 rows of eye_tracking_sessions.\n"
    )


def test_erase_says_what_it_cannot_search(sqlite_url: str, spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spool.mkdir()
    (spool / "spool.sqlite3").write_bytes(b"damaged" * 100)
    assert Spool(spool).recover() == []
    assert run(erase, sqlite_url, spool, "--user", "7") == 0
    assert f"1 files in {spool}/unreadable cannot be read and may be of this user" in capsys.readouterr().out


def test_no_database_is_one_sentence(spool: Path) -> None:
    with pytest.raises(StoreUnavailable, match="is it running"):
        run(database, "mysql+aiomysql://platform:hunter2@nowhere.invalid/academy", spool, "upgrade")


def put_events(url: str) -> None:
    async def put() -> None:
        engine = await open_store(url)
        told = Outbox({SinkName.WEBHOOK: frozenset(EventType)})
        async with engine.begin() as connection:
            one = record(None, span(0, 1), end_reason="stopped")
            await write_records(connection, [one], {}, rows="day", outbox=told)
        rows = OutboxTransactions(engine)
        (event,) = await rows.take(SinkName.WEBHOOK, 10, 60.0)
        await rows.dead(event, "HTTP 410: the receiver wants no more")
        await engine.dispose()

    asyncio.run(put())


def test_outbox_lists_what_waits_and_sends_or_deletes_what_is_dead(
    database_url: str, spool: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(outbox, database_url, spool) == 0
    assert capsys.readouterr().out == "Nothing waits, and nothing is dead.\n"
    put_events(database_url)
    oldest = "the oldest is of 2026-03-29 00:59 UTC"
    error = "  last error: HTTP 410: the receiver wants no more\n"
    assert run(outbox, database_url, spool) == 0
    assert capsys.readouterr().out == f"webhook: 1 waiting, 1 dead; {oldest}\n{error}"
    assert run(outbox, database_url, spool, "--retry-dead") == 0
    said = capsys.readouterr().out
    assert said == f"1 dead events are sent again.\nwebhook: 2 waiting, 0 dead; {oldest}\n{error}"
    assert run(outbox, database_url, spool, "--drop-dead") == 0
    assert capsys.readouterr().out.startswith("Deleted 0 dead events.\n")


def test_outbox_deletes_nothing_that_lives(sqlite_url: str, spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put_events(sqlite_url)
    assert run(outbox, sqlite_url, spool, "--drop-dead") == 0
    assert capsys.readouterr().out == (
        "Deleted 1 dead events.\nwebhook: 1 waiting, 0 dead; the oldest is of 2026-03-29 00:59 UTC\n"
    )


def test_outbox_does_not_do_both(sqlite_url: str, spool: Path) -> None:
    with pytest.raises(SystemExit):
        run(outbox, sqlite_url, spool, "--drop-dead", "--retry-dead")

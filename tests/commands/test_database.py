"""`rtc-server db upgrade` and `rtc-server erase`."""

import argparse
import asyncio
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import SecretStr

from rtc_server.commands import database, erase
from rtc_server.errors import StoreUnavailable
from rtc_server.settings import Settings
from rtc_server.store.engine import open_store
from rtc_server.store.spool.spool import Spool
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

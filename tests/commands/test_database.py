"""`rtc-server db upgrade` and `rtc-server erase`."""

import argparse
import asyncio
from types import ModuleType

import pytest
from pydantic import SecretStr

from rtc_server.commands import database, erase
from rtc_server.errors import StoreUnavailable
from rtc_server.settings import Settings
from rtc_server.store.engine import open_store
from rtc_server.store.writer import FocusWriter
from tests.store.records import record, span


def run(command: ModuleType, url: str, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(arguments), Settings(database_url=SecretStr(url)))


async def store_one_session(url: str) -> None:
    engine = await open_store(url)
    writer = FocusWriter(engine, save_interval_s=60)
    await writer.start()
    writer.put(record(None, span(0, 1), span(1, 2), end_reason="stopped"))
    await writer.close()
    await engine.dispose()


def test_upgrade_may_be_run_again(database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert run(database, database_url, "upgrade") == 0
        assert capsys.readouterr().out == "The database is up to date.\n"


def test_erase_says_what_is_gone(sqlite_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(store_one_session(sqlite_url))
    assert run(erase, sqlite_url, "--user", "7") == 0
    assert capsys.readouterr().out == ("Removed 1 focus sessions with 2 spans, and 0 rows of eye_tracking_sessions.\n")
    assert run(erase, sqlite_url, "--user", "7", "--platform-rows") == 0
    assert capsys.readouterr().out == ("Removed 0 focus sessions with 0 spans, and 1 rows of eye_tracking_sessions.\n")


def test_no_database_is_one_sentence() -> None:
    with pytest.raises(StoreUnavailable, match="is it running"):
        run(database, "mysql+aiomysql://platform:hunter2@nowhere.invalid/academy", "upgrade")

"""Differences to an endpoint that adds, under PHP: what it holds in the end is what was measured, never more."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port
from sqlalchemy.ext.asyncio import AsyncEngine

from rtc_server.delivery import delivery as delivery_module
from rtc_server.delivery.counts import DeliveryCounts
from rtc_server.delivery.delivery import Delivery
from rtc_server.delivery.legacy import LegacySink
from rtc_server.delivery.receiver import Receiver
from rtc_server.delivery.sink import Fate
from rtc_server.event import Event, EventType, SinkName
from rtc_server.focus.state import Totals
from rtc_server.record import FocusRecord
from rtc_server.store.engine import open_store
from rtc_server.store.outbox.outbox import Outbox
from rtc_server.store.outbox.rows import OutboxTransactions
from rtc_server.store.retention import erase
from rtc_server.store.sql import write_records
from tests.delivery.receivers import receiving
from tests.store.conftest import query
from tests.store.records import STARTED_AT, record

OUTBOX = Outbox({SinkName.LEGACY: {EventType.UPDATED, EventType.ENDED}}, update_interval_s=10.0)
NOT_SAVED = "HTTP 200, and it says that it has not saved"
ENDPOINT = Path(__file__).with_name("adding_endpoint.php")


class Platform:
    """PHP's own web server over the endpoint, and the rows that it keeps."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = unused_port()
        self.url = f"http://127.0.0.1:{self.port}/"

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        php = shutil.which("php")
        assert php is not None, "PHP is missing: scripts/install-test-packages.sh installs it"
        command = [php, "-S", f"127.0.0.1:{self.port}", ENDPOINT]
        environment = {"ROWS": str(self.folder), "PATH": os.environ["PATH"]}
        with (self.folder / "log").open("w") as log, subprocess.Popen(command, stderr=log, env=environment) as process:
            try:
                yield
            finally:
                process.terminate()

    def behave(self, mode: str) -> None:
        (self.folder / "mode").write_text(mode)

    @property
    def rows(self) -> dict[str, dict[str, int]]:
        file = self.folder / "rows.json"
        text = file.read_text() if file.exists() else ""
        return json.loads(text) if text else {}

    def seconds(self) -> tuple[int, int, int]:
        row = self.rows.get("7/3/2", {})
        return row.get("focused_time", 0), row.get("unfocused_time", 0), row.get("total_time", 0)


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return Platform(tmp_path)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = await open_store(database_url)
    yield engine
    await engine.dispose()


@pytest.fixture
async def start(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[str], None]]:
    monkeypatch.setattr(delivery_module, "again_in_s", lambda *_: 0.05)
    running: list[Any] = []

    def begin(url: str) -> None:
        receiver = Receiver(url, setting="RTC_LEGACY_SAVE_URL", allow_private=True)
        rows = OutboxTransactions(engine)
        delivery = Delivery(SinkName.LEGACY, LegacySink(receiver), rows, DeliveryCounts(), look_every_s=0.02)
        delivery.start()
        running.extend([delivery, receiver])

    yield begin
    for one in running:
        await one.close()


async def write(engine: AsyncEngine, one: FocusRecord) -> None:
    async with engine.begin() as connection:
        await write_records(connection, [one], {}, rows="session", outbox=OUTBOX)


def later(one: FocusRecord, focused_s: float, unfocused_s: float, end_reason: str | None = None) -> FocusRecord:
    return replace(
        one,
        recorded_at=STARTED_AT + timedelta(seconds=focused_s + unfocused_s),
        totals=Totals(focused_s, unfocused_s),
        end_reason=end_reason,
    )


async def until(engine: AsyncEngine, statement: str, *, found: bool) -> None:
    """The database tells nobody."""
    async with asyncio.timeout(30):
        while bool(await query(engine, statement)) is not found:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def until_empty(engine: AsyncEngine) -> None:
    await until(engine, "SELECT id FROM rtc_outbox WHERE dead_since IS NULL", found=False)


async def dead(engine: AsyncEngine) -> list[str]:
    return [error for (error,) in await query(engine, "SELECT last_error FROM rtc_outbox WHERE dead_since IS NOT NULL")]


async def test_what_it_adds_up_is_what_was_measured(
    engine: AsyncEngine, platform: Platform, start: Callable[[str], None]
) -> None:
    one = record()
    start(platform.url)
    await write(engine, one)
    await write(engine, later(one, 11.4, 0.3))  # while it is away
    with platform.running():
        for focused_s, unfocused_s in ((21.7, 0.3), (31.2, 9.6), (31.3, 9.6), (60.5, 10.2)):
            await write(engine, later(one, focused_s, unfocused_s))
            await until_empty(engine)
        platform.behave("no database")
        await write(engine, later(one, 71.6, 11.4, "stopped"))
        await until(engine, f"SELECT id FROM rtc_outbox WHERE last_error = '{NOT_SAVED}'", found=True)
        platform.behave("")
        await until_empty(engine)
        await write(engine, later(one, 71.6, 11.4, "stopped"))
        await until_empty(engine)
    assert platform.seconds() == (72, 11, 83)
    assert await dead(engine) == []


async def test_what_may_have_been_added_is_not_sent_again(
    engine: AsyncEngine, platform: Platform, start: Callable[[str], None]
) -> None:
    one = record()
    with platform.running():
        platform.behave("fails after it has added")
        start(platform.url)
        await write(engine, one)
        await write(engine, later(one, 12, 3))
        await until_empty(engine)
        platform.behave("")
        await write(engine, later(one, 20, 3, "stopped"))
        await until_empty(engine)
    assert platform.seconds() == (20, 3, 23)
    assert ["could count twice" in error for error in await dead(engine)] == [True]


@pytest.mark.parametrize("how", ["hangs up", "was being sent by a server that was killed"])
async def test_a_lost_answer_counts_once_at_most(engine: AsyncEngine, start: Callable[[str], None], how: str) -> None:
    requests = 0

    async def hang_up(request: web.Request) -> web.Response:
        nonlocal requests
        requests += 1
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    one = record()
    async with receiving() as inbox:
        inbox.check = False
        inbox.answer = hang_up
        await write(engine, one)
        await write(engine, later(one, 12, 3))
        if how != "hangs up":
            assert await OutboxTransactions(engine).take(SinkName.LEGACY, 1, 0.0)
        start(inbox.url)
        await until_empty(engine)
    assert requests == (1 if how == "hangs up" else 0)
    assert ["could count twice" in error for error in await dead(engine)] == [True]


async def test_nothing_new_is_not_sent_and_erasure_forgets_what_was_told(engine: AsyncEngine, tmp_path: Path) -> None:
    one = record()
    await write(engine, one)
    await write(engine, replace(one, end_reason="stopped"))
    assert await query(engine, "SELECT id FROM rtc_outbox") == []
    assert len(await query(engine, "SELECT focus_session_id FROM rtc_legacy_told")) == 1
    await erase(engine, tmp_path / "spool", 7, with_platform_rows=False, outbox=OUTBOX)
    assert await query(engine, "SELECT focus_session_id FROM rtc_legacy_told") == []


@pytest.mark.parametrize(
    ("status", "body", "alive"),
    [
        (200, '{"success": false}', True),
        (500, '{"success": false, "error": "Database connection failed"}', True),
        (302, "", True),
        (401, "", True),
        (429, "", True),
        (503, "", True),
        (200, "<html>", False),
        (200, '{"success": 1}', False),
        (200, "[" * 4000, False),
        (500, "", False),
        (504, "", False),
    ],
)
async def test_it_is_sent_again_only_where_it_was_certainly_not_added(status: int, body: str, alive: bool) -> None:
    data = {"user_id": 7, "module_id": 3, "section_id": None, "recorded_at": "", "new_focused": 1, "new_unfocused": 0}
    event = Event(1, "an id", SinkName.LEGACY, EventType.ENDED, STARTED_AT, data, 1, False)
    async with receiving() as inbox:
        inbox.check = False
        inbox.answer = lambda _: web.Response(status=status, text=body)
        receiver = Receiver(inbox.url, setting="RTC_LEGACY_SAVE_URL", allow_private=True)
        outcome = await LegacySink(receiver).send(event)
        await receiver.close()
    assert outcome.fate is (Fate.AGAIN if alive else Fate.DEAD)

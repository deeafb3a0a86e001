"""From a row in a real database to a real receiver, through everything that can go wrong with one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from rtc_server.delivery import delivery as delivery_module
from rtc_server.delivery.counts import DeliveryCounts
from rtc_server.delivery.delivery import AT_ONCE, Delivery
from rtc_server.delivery.receiver import Receiver
from rtc_server.delivery.sink import Outcome
from rtc_server.delivery.webhook import WebhookSink
from rtc_server.errors import SettingsError
from rtc_server.event import Event, EventType, SinkName
from rtc_server.learner import Learner
from rtc_server.record import FocusRecord
from rtc_server.store.engine import open_store
from rtc_server.store.outbox.outbox import Outbox
from rtc_server.store.outbox.rows import OutboxTransactions
from rtc_server.store.sql import write_records
from tests.delivery.receivers import SECRET, receiving
from tests.store.conftest import query
from tests.store.records import record, span

OUTBOX = Outbox({SinkName.WEBHOOK: frozenset(EventType)}, 60.0)
LEARNERS = 20


async def write(engine: AsyncEngine, *records: FocusRecord) -> None:
    async with engine.begin() as connection:
        await write_records(connection, records, {}, rows="session", outbox=OUTBOX)


def sessions(count: int = LEARNERS) -> list[FocusRecord]:
    return [record(None, span(0, 1), learner=Learner(user, 3)) for user in range(1, count + 1)]


async def left(engine: AsyncEngine) -> list[tuple[Any, ...]]:
    return await query(engine, "SELECT attempts, last_error, dead_since IS NULL FROM rtc_outbox ORDER BY id")


async def until(happened: Callable[[], Awaitable[bool]]) -> None:
    """The database tells nobody."""
    async with asyncio.timeout(20):
        while not await happened():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = await open_store(database_url)
    yield engine
    await engine.dispose()


Start = Callable[..., Delivery]


@pytest.fixture
async def start(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Start]:
    """Starts a delivery that looks often, and tries again at once."""
    monkeypatch.setattr(delivery_module, "again_in_s", lambda attempt, *_: 0.05 if attempt < 19 else None)
    running: list[tuple[Delivery, Receiver]] = []

    def begin(url: str, counts: DeliveryCounts | None = None, **options: Any) -> Delivery:
        receiver = Receiver(url, setting="RTC_WEBHOOK_URL", allow_private=options.pop("allow_private", True))
        sink = WebhookSink(receiver, SECRET)
        rows = OutboxTransactions(options.pop("engine", engine))
        delivery = Delivery(SinkName.WEBHOOK, sink, rows, counts or DeliveryCounts(), look_every_s=0.02, **options)
        delivery.start()
        running.append((delivery, receiver))
        return delivery

    yield begin
    for delivery, receiver in running:
        await delivery.close()
        await receiver.close()


async def test_what_is_written_arrives_signed_and_then_is_gone(engine: AsyncEngine, start: Start) -> None:
    counts = DeliveryCounts()
    async with receiving() as inbox:
        start(inbox.url, counts)
        one = record(None, span(0, 1))
        await write(engine, one)
        await write(engine, replace(one, end_reason="stopped"))
        await inbox.until(lambda inbox: len(inbox.events) == 2)
        await until(lambda: _is_empty(engine))
    assert inbox.types == ["session.started", "session.ended"]
    (_, started), (_, ended) = inbox.events
    assert (ended["data"]["focus_session_id"], ended["data"]["end_reason"]) == (one.focus_session_id, "stopped")
    assert datetime.fromisoformat(started["timestamp"]) == one.recorded_at
    assert counts.delivered.read() == {"webhook": 2, "legacy": 0, "xapi": 0}
    assert counts.send_s.count == 2


async def _is_empty(engine: AsyncEngine) -> bool:
    return await left(engine) == []


async def test_a_receiver_that_was_down_gets_all_of_it_in_order(engine: AsyncEngine, start: Start) -> None:
    ones = sessions(3)
    async with receiving() as closed:
        port = int(closed.url.split(":")[2].split("/")[0])
    counts = DeliveryCounts()
    start(closed.url, counts)
    await write(engine, *ones)
    await write(engine, *(replace(one, end_reason="stopped") for one in ones))
    await until(lambda: _true(sum(counts.failed.read().values()) > 5))
    assert {error for _, error, _ in await left(engine) if error} == {"no connection (ConnectionRefusedError)"}
    async with receiving(port=port) as inbox:
        await inbox.until(lambda inbox: len(inbox.events) == 6)
        await until(lambda: _is_empty(engine))
    for one in ones:
        mine = [event["type"] for _, event in inbox.events if event["data"]["user_id"] == one.learner.user_id]
        assert mine == ["session.started", "session.ended"]


async def _true(value: bool) -> bool:
    return value


async def test_two_servers_send_nothing_twice(engine: AsyncEngine, database_url: str, start: Start) -> None:
    other = await open_store(database_url)
    try:
        async with receiving() as inbox:
            deliveries = [start(inbox.url), start(inbox.url, engine=other)]
            for one in sessions():
                await write(engine, one)
            await inbox.until(lambda inbox: len(inbox.events) >= LEARNERS)
            await until(lambda: _is_empty(engine))
            for delivery in deliveries:
                await delivery.close()
    finally:
        await other.dispose()
    keys = [key for key, _ in inbox.events]
    assert len(keys) == len(set(keys)) == LEARNERS


async def test_a_410_ends_it_at_once(engine: AsyncEngine, start: Start) -> None:
    async with receiving() as inbox:
        inbox.answer = lambda _: web.Response(status=410)
        start(inbox.url)
        await write(engine, record(None, span(0, 1)))
        await until(lambda: _is_dead(engine))
    assert [(attempts, error) for attempts, error, _ in await left(engine)] == [
        (1, "HTTP 410: the receiver wants no more")
    ]


async def _is_dead(engine: AsyncEngine) -> bool:
    return [bool(alive) for *_, alive in await left(engine)] == [False]


async def test_an_error_is_tried_again_with_the_same_id_until_it_is_dead(engine: AsyncEngine, start: Start) -> None:
    async with receiving() as inbox:
        inbox.answer = lambda _: web.Response(status=500, text="a secret of the receiver's")
        start(inbox.url)
        await write(engine, record(None, span(0, 1)))
        await until(lambda: _is_dead(engine))
    assert len(inbox.events) == 19
    assert len({key for key, _ in inbox.events}) == 1
    assert [(attempts, error) for attempts, error, _ in await left(engine)] == [(19, "HTTP 500")]


async def test_a_slow_receiver_gets_few_at_once_and_holds_up_no_save(engine: AsyncEngine, start: Start) -> None:
    go = asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        await go.wait()
        return web.Response()

    async with receiving() as inbox:
        inbox.answer = slow
        start(inbox.url)
        await write(engine, *sessions())
        await inbox.until(lambda inbox: len(inbox.events) == AT_ONCE)
        async with asyncio.timeout(5):
            await write(engine, *(replace(one, end_reason="stopped") for one in sessions(3)))
        assert inbox.most_at_once == AT_ONCE
        go.set()
        await inbox.until(lambda inbox: len(inbox.events) == LEARNERS + 6)
        assert inbox.most_at_once == AT_ONCE


async def test_a_private_receiver_is_not_told_unless_it_may_be(engine: AsyncEngine, start: Start) -> None:
    async with receiving() as inbox:
        start(inbox.url.replace("http:", "https:"), allow_private=False)
        await write(engine, record(None, span(0, 1)))
        await until(lambda: _has_error(engine))
    assert (await left(engine))[0][1] == "its address is not public (RTC_WEBHOOK_ALLOW_PRIVATE)"
    assert inbox.requests == 0


async def _has_error(engine: AsyncEngine) -> bool:
    return any(error for _, error, _ in await left(engine))


async def test_what_is_being_sent_at_the_end_is_finished(engine: AsyncEngine, start: Start) -> None:
    go = asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        go.set()
        await asyncio.sleep(0.3)
        return web.Response()

    async with receiving() as inbox:
        inbox.answer = slow
        delivery = start(inbox.url)
        await write(engine, record(None, span(0, 1)))
        await go.wait()
        await delivery.close()
        assert await left(engine) == []


class Buggy:
    async def send(self, event: Event) -> Outcome:
        raise ZeroDivisionError


async def test_a_bug_in_a_sink_ends_nothing(engine: AsyncEngine) -> None:
    delivery = Delivery(SinkName.WEBHOOK, Buggy(), OutboxTransactions(engine), DeliveryCounts(), look_every_s=0.02)
    delivery.start()
    await write(engine, record(None, span(0, 1)))
    await until(lambda: _has_error(engine))
    await delivery.close()
    assert (await left(engine))[0][:2] == (1, "ZeroDivisionError")


async def test_a_database_that_does_not_answer_ends_nothing(tmp_path: Path) -> None:
    class Away(OutboxTransactions):
        tries = 0

        async def take(self, *_: Any) -> list[Event]:
            self.tries += 1
            raise OSError

    engine = await open_store(f"sqlite+aiosqlite:///{tmp_path}/rows.sqlite3")
    rows = Away(engine)
    delivery = Delivery(SinkName.WEBHOOK, Buggy(), rows, DeliveryCounts(), look_every_s=0.01)
    delivery.start()
    await until(lambda: _true(rows.tries > 3))
    await delivery.close()
    await engine.dispose()


@pytest.mark.parametrize("secret", ["", "whsec_", "short", "whsec_c2hvcnQ=", "not base64, however long it may be!"])
def test_a_secret_that_could_be_guessed_does_not_start(secret: str) -> None:
    with pytest.raises(SettingsError, match="RTC_WEBHOOK_SECRET"):
        WebhookSink(Receiver("https://example.org/", setting="RTC_WEBHOOK_URL"), secret)


async def test_what_waits_is_counted(engine: AsyncEngine, start: Start) -> None:
    await write(engine, *sessions(3))
    counts = DeliveryCounts()
    async with receiving() as inbox:
        inbox.answer = lambda _: web.Response(status=500)
        start(inbox.url, counts)
        await until(lambda: _true(counts.waiting["webhook"] == 3))
    assert set(counts.dead.values()) == {0}

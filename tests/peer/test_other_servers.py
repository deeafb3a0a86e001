"""Learners who move from one server to another: two servers on one database, in one process."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from rtc_server.peer.registry import PeerRegistry
from rtc_server.record import FocusRecord
from rtc_server.store.engine import open_store
from rtc_server.store.leases import Leases
from rtc_server.store.reader import FocusReader
from rtc_server.store.spool.spool import Spool
from rtc_server.store.transactions import OwnershipTransactions, Transactions
from rtc_server.store.writer import FocusWriter
from tests.peer.learner_client import grant, learner_client
from tests.peer.stand_ins import MakeRegistry, until
from tests.sdp.offers import offer

SAVE_INTERVAL_S = 0.1
StartServer = Callable[[], Awaitable[PeerRegistry]]


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    engine = await open_store(f"sqlite+aiosqlite:///{tmp_path}/rtc.sqlite3")
    yield engine
    await engine.dispose()


@pytest.fixture
async def server(engine: AsyncEngine, make_registry: MakeRegistry, tmp_path: Path) -> AsyncIterator[StartServer]:
    """Starts one more server."""
    registries: list[PeerRegistry] = []
    stores: list[tuple[FocusWriter, Leases]] = []

    async def start() -> PeerRegistry:
        writer = FocusWriter(Transactions(engine, "day"), Spool(tmp_path / f"spool{len(stores)}"), SAVE_INTERVAL_S)
        await writer.start()
        leases = Leases(OwnershipTransactions(engine), writer, 60.0)
        stores.append((writer, leases))
        await leases.start()
        registries.append(make_registry(recorder=writer, ownership=leases))
        return registries[-1]

    yield start
    for registry in registries:
        await registry.close()
    for writer, leases in stores:
        await writer.close()
        await leases.close()


async def stored(engine: AsyncEngine, focus_session_id: str) -> FocusRecord:
    found = await FocusReader(engine).stored_session(focus_session_id)
    assert found is not None
    return found.record


async def test_a_session_goes_on_at_another_server_and_the_first_lets_it_go(
    server: StartServer, engine: AsyncEngine
) -> None:
    first, second = await server(), await server()
    began = asyncio.get_running_loop().time()
    async with learner_client() as before, learner_client() as after:
        await before.connect(first)
        session = (await before.told("tracking_started"))["focus_session_id"]
        told = await before.told("tracking_update", lambda update: update["media_time_s"] > 0.6)
        await after.connect(second, continues=session)
        started = await after.told("tracking_started")
        assert (started["continued"], started["focus_session_id"]) == (True, session)
        assert (await before.told("tracking_stopped"))["reason"] == "replaced"
        later = await after.told("tracking_update", lambda update: update["metrics"]["unfocused_time"] > 1.0)
        assert later["media_time_s"] > told["media_time_s"]
        after.say({"type": "stop"})
        await after.told("tracking_stopped")
        await until(lambda: len(first) == len(second) == 0, "both left")
    passed_s = asyncio.get_running_loop().time() - began
    async with asyncio.timeout(5):
        while (record := await stored(engine, session)).end_reason is None:  # noqa: ASYNC110 - rows tell nobody
            await asyncio.sleep(0.02)
    assert (record.end_reason, record.fence) == ("stopped", 1)
    assert all(earlier.end_s <= later.start_s for earlier, later in itertools.pairwise(record.spans))
    totals = record.totals
    assert sum(span.end_s - span.start_s for span in record.spans) == pytest.approx(totals.total_s + totals.unknown_s)
    assert totals.total_s + totals.unknown_s <= passed_s


async def test_a_server_that_is_stopped_says_so_and_its_sessions_go_on(
    server: StartServer, engine: AsyncEngine
) -> None:
    first, second = await server(), await server()
    async with learner_client() as before, learner_client() as after:
        await before.connect(first)
        session = (await before.told("tracking_started"))["focus_session_id"]
        await before.told("tracking_update", lambda update: update["media_time_s"] > 0.5)
        closing = asyncio.create_task(first.close())
        await before.told("draining")
        stopped = await before.told("tracking_stopped")
        assert stopped["reason"] == "shutdown"
        await closing
        assert first.draining
        await after.connect(second, continues=session)
        assert (await after.told("tracking_started"))["continued"]
        update = await after.told("tracking_update", lambda update: update["server_ms"] > 0)
        assert update["metrics"]["unfocused_time"] >= stopped["metrics"]["unfocused_time"]
    assert (await stored(engine, session)).fence == 1


async def test_a_learner_hears_of_a_stop_once_all_is_stored(server: StartServer, engine: AsyncEngine) -> None:
    """Else they could go on at another server, with less."""
    first, second = await server(), await server()
    async with learner_client() as before, learner_client() as after:
        await before.connect(first)
        session = (await before.told("tracking_started"))["focus_session_id"]
        await before.told("tracking_update", lambda update: update["media_time_s"] > 0.5)
        async with engine.connect() as other:
            await other.exec_driver_sql("UPDATE rtc_servers SET server_id = server_id")  # nobody else can write
            closing = asyncio.create_task(first.close())
            await asyncio.sleep(0.4)
            assert not any(message["type"] == "tracking_stopped" for message in before.messages)
            await other.rollback()
        stopped = await before.told("tracking_stopped")
        record = await stored(engine, session)
        await closing
        await after.connect(second, continues=session)
        update = await after.told("tracking_update", lambda update: update["server_ms"] > 0)
    assert record.end_reason == "shutdown"
    assert update["metrics"]["unfocused_time"] >= stopped["metrics"]["unfocused_time"] > 0.5


async def test_who_stops_before_a_picture_came_is_told_what_there_was(server: StartServer, engine: AsyncEngine) -> None:
    first, second = await server(), await server()
    async with learner_client() as before, learner_client() as after:
        await before.connect(first)
        session = (await before.told("tracking_started"))["focus_session_id"]
        await before.told("tracking_update", lambda update: update["media_time_s"] > 0.5)
        after.camera.running.clear()
        await after.connect(second, continues=session)
        await after.told("tracking_started")
        after.say({"type": "stop"})
        told = (await after.told("tracking_stopped"))["metrics"]
    record = await stored(engine, session)
    assert told["unfocused_time"] == pytest.approx(record.totals.unfocused_s, abs=0.001) != 0.0


async def test_a_new_session_elsewhere_ends_the_older_one(server: StartServer, engine: AsyncEngine) -> None:
    first, second = await server(), await server()
    async with learner_client() as before, learner_client() as after:
        await before.connect(first)
        session = (await before.told("tracking_started"))["focus_session_id"]
        await before.told("tracking_update", lambda update: update["media_time_s"] > 0.3)
        await after.connect(second)
        assert not (await after.told("tracking_started"))["continued"]
        assert (await before.told("tracking_stopped"))["reason"] == "replaced"
    assert (await stored(engine, session)).end_reason == "replaced"


async def test_two_offers_that_continue_the_same_session_are_one_session(
    server: StartServer, engine: AsyncEngine
) -> None:
    first, second = await server(), await server()
    async with learner_client() as before:
        await before.connect(first)
        session = (await before.told("tracking_started"))["focus_session_id"]
        await before.told("tracking_update", lambda update: update["media_time_s"] > 0.3)
        await asyncio.gather(*(second.connect(offer(), grant(), continues=session) for _ in range(2)))
        await until(lambda: len(second) == 1, "one of them was replaced")
        (live,) = second._peers.values()
        assert live.session.id == session
    assert (await stored(engine, session)).fence == 1

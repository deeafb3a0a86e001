"""Reads run in a process of their own, which is started, ended, and started again when it has died."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import psutil
import pytest

from rtc_server.errors import StoreUnavailable
from rtc_server.reading import process as reading_process
from rtc_server.reading.process import ReadingProcess
from tests.databases import PrivateMariaDb
from tests.e2e.server_process import running_server
from tests.store.records import LEARNER, record, span, store_all

ONE = record(None, span(0, 60), learner=LEARNER, end_reason="stopped")
ENDS_WITHIN_S = 10.0


@asynccontextmanager
async def over_one_session(url: str, folder: Path) -> AsyncIterator[ReadingProcess]:
    await store_all(url, [ONE], folder / "filled")
    reading = ReadingProcess(url, "error")
    yield reading
    await reading.close()


@pytest.fixture
async def reading(sqlite_url: str, tmp_path: Path) -> AsyncIterator[ReadingProcess]:
    async with over_one_session(sqlite_url, tmp_path) as reading:
        yield reading


def children() -> list[psutil.Process]:
    ours = psutil.Process().children()
    return [one for one in ours if one.status() != psutil.STATUS_ZOMBIE and "rtc_server.reading" in one.cmdline()]


def the_child() -> psutil.Process:
    (child,) = children()
    return child


async def test_it_finds_what_is_stored_and_only_that(database_url: str, tmp_path: Path) -> None:
    async with over_one_session(database_url, tmp_path) as reading:
        found = await reading.stored_session(ONE.focus_session_id)

        assert found is not None
        assert (found.record.spans, found.record.learner) == (ONE.spans, LEARNER)
        assert await reading.stored_session("no such session") is None


async def test_it_gives_way_to_the_server_in_the_session_of_the_server(reading: ReadingProcess) -> None:
    await reading.stored_session(ONE.focus_session_id)

    child = the_child()
    assert child.nice() == 19
    assert os.getsid(child.pid) == os.getsid(0), "Linux compares niceness within a session only"


async def test_nothing_is_started_before_the_first_read_and_nothing_is_left(reading: ReadingProcess) -> None:
    assert not children()
    reads = [reading.stored_session(ONE.focus_session_id) for _ in range(5)]
    assert None not in await asyncio.gather(*reads)
    child = the_child()

    await reading.close()

    assert not child.is_running()
    with pytest.raises(StoreUnavailable):
        await reading.stored_session(ONE.focus_session_id)


async def test_one_that_was_killed_breaks_off_its_reads_and_is_started_again(
    mariadb_server: PrivateMariaDb, mariadb_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_process, "STARTS_AGAIN_AFTER_S", 0.0)
    async with over_one_session(mariadb_url, tmp_path) as reading:
        await reading.stored_session(ONE.focus_session_id)
        with mariadb_server.frozen():
            waiting = [asyncio.create_task(reading.stored_session(ONE.focus_session_id)) for _ in range(3)]
            await asyncio.sleep(0)  # now each has asked
            the_child().kill()
            broken_off = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(one) for one in broken_off] == [StoreUnavailable] * 3
        assert await reading.stored_session(ONE.focus_session_id) is not None


async def test_one_that_dies_at_once_is_not_started_by_every_read(
    reading: ReadingProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_process, "STARTS_AGAIN_AFTER_S", 60.0)
    await reading.stored_session(ONE.focus_session_id)
    the_child().kill()
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await reading.stored_session(ONE.focus_session_id)
    assert not children()


async def test_too_many_that_wait_are_refused(reading: ReadingProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_process, "MOST_WAITING", 2)
    reads = [reading.stored_session(ONE.focus_session_id) for _ in range(5)]

    answers = await asyncio.gather(*reads, return_exceptions=True)

    assert sum(isinstance(one, StoreUnavailable) for one in answers) == 3
    assert await reading.stored_session(ONE.focus_session_id) is not None


async def test_a_stop_of_the_whole_service_leaves_it_to_the_server(reading: ReadingProcess) -> None:
    await reading.stored_session(ONE.focus_session_id)
    for which in (signal.SIGTERM, signal.SIGINT):
        the_child().send_signal(which)

    assert await reading.stored_session(ONE.focus_session_id) is not None


async def test_it_ends_with_a_server_that_is_killed(sqlite_url: str) -> None:
    async with running_server("--demo", RTC_DATABASE_URL=sqlite_url) as server:
        async with aiohttp.ClientSession(server.url) as http:
            token = (await (await http.post("demo/token")).json())["token"]
            mine = await http.get("api/v1/sessions", headers={"Authorization": f"Bearer {token}"})
            assert (mine.status, await mine.json()) == (200, {"sessions": [], "next": None})
        (child,) = psutil.Process(server.pid).children()
        await server.stop(signal.SIGKILL)
        await asyncio.to_thread(psutil.wait_procs, [child], ENDS_WITHIN_S)
        assert not child.is_running()

"""What runs in the background ends with the server, at whatever moment that is told to stop."""

import asyncio
import random

import pytest

from rtc_server.composition import background
from rtc_server.composition.background import finish
from rtc_server.store.engine import open_store
from rtc_server.store.platform.catalogue import keep_catalogue

MOMENTS = 60
LONGEST_S = 0.03
"""A round takes a few milliseconds: some are told to stop before, some in the middle, some after it."""


async def test_the_catalogue_ends_at_whatever_moment_it_is_told_to(database_url: str) -> None:
    """Cancelled instead, one in a thousand went on for ever with MariaDB, and one in thirty with SQLite."""
    chance = random.Random(1)
    engine = await open_store(database_url)
    try:
        for _ in range(MOMENTS):
            stopping = asyncio.Event()
            task = asyncio.create_task(keep_catalogue(engine, stopping))
            await asyncio.sleep(chance.uniform(0.0, LONGEST_S))
            await finish(task, stopping)
            assert task.done()
    finally:
        await engine.dispose()


async def test_what_does_not_finish_in_time_is_abandoned(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(background, "FINISHES_WITHIN_S", 0.05)
    let_go = asyncio.Event()

    async def deaf() -> None:
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue

    task = asyncio.create_task(deaf(), name="deaf")
    await finish(task, asyncio.Event())

    assert not task.done()
    assert [record.__dict__["task"] for record in caplog.records] == ["deaf"]
    let_go.set()
    await task

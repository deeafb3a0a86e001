"""Who leaves a task, a thread or a socket behind fails."""

import asyncio
import gc
import inspect
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import psutil
import pytest

GRACE_S = 1.0
"""For what has been told to end and is about to."""

_EXECUTOR = "asyncio_"
"""Threads of a loop's default executor end with the loop, after every fixture."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.function):
            # Before all other fixtures: it looks when they are gone.
            item.fixturenames.insert(0, "no_leaked_tasks")


@pytest.fixture
async def no_leaked_tasks() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=GRACE_S)
    assert not left, f"tasks left behind: {left}"


@pytest.fixture(autouse=True)
def no_leaked_threads_or_sockets() -> Iterator[None]:
    threads, sockets = set(threading.enumerate()), _sockets()
    yield
    left = _once_gone(lambda: {t for t in set(threading.enumerate()) - threads if not t.name.startswith(_EXECUTOR)})
    assert not left, f"threads left behind: {left}"
    open_sockets = _once_gone(lambda: _sockets() - sockets)
    assert not open_sockets, f"sockets left behind: {open_sockets}"


def _once_gone(look: Callable[[], set[Any]]) -> set[Any]:
    deadline = time.monotonic() + GRACE_S
    while (left := look()) and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.01)
    return left


def _sockets() -> set[tuple[int, object]]:
    return {(c.fd, c.laddr) for c in psutil.Process().net_connections(kind="inet")}

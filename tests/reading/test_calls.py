"""The other end: calls are answered as they come, taken back, and end with the server."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from rtc_server.errors import StoreUnavailable
from rtc_server.reading.__main__ import answer_calls
from rtc_server.reading.frames import read_frame, write_frame

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Endless:
    """A read that never has an answer."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.ended = asyncio.Event()

    async def __call__(self) -> None:
        self.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()


@asynccontextmanager
async def answering(**calls: Callable[..., Awaitable[Any]]) -> AsyncIterator[Ends]:
    """The server's end, while the other one answers."""
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    other_reader, other_writer = await asyncio.open_unix_connection(sock=theirs)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(answer_calls(calls, other_reader, other_writer))
        yield reader, writer
        writer.close()
    other_writer.close()


async def test_a_quick_read_does_not_wait_for_a_slow_one() -> None:
    go_on = asyncio.Event()

    async def slow() -> str:
        await go_on.wait()
        return "slow"

    async def quick(what: str) -> str:
        return what

    async with answering(slow=slow, quick=quick) as (reader, writer):
        write_frame(writer, (1, "slow", ()))
        write_frame(writer, (2, "quick", ("quick",)))
        assert await read_frame(reader) == (2, "quick", None)
        go_on.set()
        assert await read_frame(reader) == (1, "slow", None)


async def test_a_read_that_is_taken_back_ends_and_is_not_answered() -> None:
    endless = Endless()

    async def quick() -> str:
        return "quick"

    async with answering(endless=endless, quick=quick) as (reader, writer):
        write_frame(writer, (1, "endless", ()))
        await endless.began.wait()
        write_frame(writer, (1, None, ()))
        await endless.ended.wait()
        write_frame(writer, (1, None, ()))  # late: it has ended already
        write_frame(writer, (2, "quick", ()))
        assert await read_frame(reader) == (2, "quick", None)


async def test_a_refusal_arrives_as_it_was_and_a_bug_without_what_was_read(caplog: pytest.LogCaptureFixture) -> None:
    async def refused() -> None:
        raise StoreUnavailable("The database does not answer.")

    async def broken() -> None:
        raise KeyError("Ada")

    async with answering(refused=refused, broken=broken) as (reader, writer):
        write_frame(writer, (1, "refused", ()))
        _, _, refusal = await read_frame(reader)
        write_frame(writer, (2, "broken", ()))
        _, _, bug = await read_frame(reader)

    assert (type(refusal), str(refusal)) == (StoreUnavailable, "The database does not answer.")
    assert (type(bug), str(bug)) == (RuntimeError, "a read failed in the reading process: KeyError")
    assert [one.message for one in caplog.records] == ["a read failed"]


async def test_reads_end_with_the_server() -> None:
    endless = Endless()

    async with answering(endless=endless) as (_, writer):
        write_frame(writer, (1, "endless", ()))
        await endless.began.wait()
    assert endless.ended.is_set()

"""The reading process: answers the server's calls for as long as the server lives, however that ends.

It gives way to whatever measures learners.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from rtc_server.errors import RtcServerError
from rtc_server.reading.frames import read_frame, write_frame
from rtc_server.store.connections import open_reads
from rtc_server.store.reader import FocusReader
from rtc_server.store.reads.reads import Reads
from rtc_server.structured_logging import configure_logging
from rtc_server.web.api.answers import Answers

logger = logging.getLogger(__name__)

NICENESS = 19
"""The kernel lets go on at once whoever wakes up beside it. Of a core that others fill it still gets a sixtieth."""

Calls = Mapping[str, Callable[..., Awaitable[Any]]]


async def main() -> None:
    # Standard input is one end of a pair of sockets, and goes both ways.
    reader, writer = await asyncio.open_unix_connection(sock=socket.socket(fileno=sys.stdin.fileno()))
    try:
        database_url, log_level = await read_frame(reader)
    except EOFError:
        return
    configure_logging(log_level)
    engine = open_reads(database_url)
    answers, stored = Answers(Reads(engine)), FocusReader(engine)
    calls: Calls = {
        "sessions": answers.sessions,
        "sums": answers.sums,
        "export_page": answers.export_page,
        "stored_session": stored.stored_session,
    }
    try:
        await answer_calls(calls, reader, writer)
    finally:
        await engine.dispose()


async def answer_calls(calls: Calls, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until the server closes its end."""
    running: dict[int, asyncio.Task[None]] = {}
    async with asyncio.TaskGroup() as tasks:
        try:
            while True:
                number, method, arguments = await read_frame(reader)
                if method is None:
                    if number in running:
                        running[number].cancel()
                    continue
                running[number] = tasks.create_task(_answer(number, partial(calls[method], *arguments), writer))
                running[number].add_done_callback(partial(_forget, running, number))
        except EOFError:
            for task in running.values():
                task.cancel()


async def _answer(number: int, call: Callable[[], Awaitable[Any]], writer: asyncio.StreamWriter) -> None:
    found: Any = None
    refusal: Exception | None = None
    try:
        found = await call()
    except RtcServerError as error:
        refusal = error
    except Exception as error:  # a bug: here with its traceback, there as one
        logger.exception("a read failed")
        refusal = RuntimeError(f"a read failed in the reading process: {type(error).__name__}")
    write_frame(writer, (number, found, refusal))


def _forget(running: dict[int, asyncio.Task[None]], number: int, _: asyncio.Task[None]) -> None:
    del running[number]


if __name__ == "__main__":
    # A stop of the whole service reaches this process too. It ends when the server has ended.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(PermissionError):  # where a sandbox forbids it, reads cost learners some milliseconds
        os.nice(NICENESS)
    asyncio.run(main())

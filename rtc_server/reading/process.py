"""The reading process as the server sees it: started by the first read, and again by the next one after it has died."""

import asyncio
import itertools
import logging
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from rtc_server.errors import StoreUnavailable
from rtc_server.reading.frames import read_frame, write_frame
from rtc_server.store.reads.terms import By, Cursor, Scope
from rtc_server.store.stored_session import StoredSession
from rtc_server.web.api.answers import ExportForm

logger = logging.getLogger(__name__)

MOST_WAITING = 256
"""Reads that wait for an answer. More than that, and the database answers too slowly for any of them."""
STARTS_AGAIN_AFTER_S = 1.0
"""One that dies at once must not be started by every read."""
ENDS_WITHIN_S = 2.0


class ReadingProcess:
    """Has the methods of `Answers` and of `FocusReader`, and runs them there. Use it from the event loop.

    Each raises StoreUnavailable, where the process has ended too. A read that is cancelled is cancelled there.
    """

    def __init__(self, database_url: str, log_level: str) -> None:
        """Raises nothing: a URL that is wrong is found by who opens the database for writing."""
        self._setup = (database_url, log_level)
        self._starting = asyncio.Lock()
        self._started_at = -STARTS_AGAIN_AFTER_S
        self._numbers = itertools.count()
        self._running: _Running | None = None
        self._closed = False

    async def sessions(self, scope: Scope, limit: int, cursor: str | None) -> bytes:
        content: bytes = await self._call("sessions", scope, limit, cursor)
        return content

    async def sums(self, scope: Scope, by: By, limit: int, cursor: str | None, min_learners: int) -> bytes:
        content: bytes = await self._call("sums", scope, by, limit, cursor, min_learners)
        return content

    async def export_page(
        self, form: ExportForm, scope: Scope, limit: int, after: Cursor | None
    ) -> tuple[bytes, Cursor | None]:
        page: tuple[bytes, Cursor | None] = await self._call("export_page", form, scope, limit, after)
        return page

    async def stored_session(
        self, focus_session_id: str, spans_after: int = -1, max_spans: int | None = None
    ) -> StoredSession | None:
        found: StoredSession | None = await self._call("stored_session", focus_session_id, spans_after, max_spans)
        return found

    async def close(self) -> None:
        """Reads that run end with StoreUnavailable."""
        self._closed = True
        async with self._starting:
            if self._running is not None:
                await self._running.end()

    async def _call(self, method: str, *arguments: object) -> Any:
        running = await self._live()
        if len(running.waiting) >= MOST_WAITING:
            raise StoreUnavailable("Too many reads wait for the database. Try again later.")
        number, answer = next(self._numbers), asyncio.get_running_loop().create_future()
        running.waiting[number] = answer
        running.send(number, method, arguments)
        try:
            return await answer
        except asyncio.CancelledError:
            running.send(number, None, ())
            raise
        finally:
            running.waiting.pop(number, None)

    async def _live(self) -> "_Running":
        async with self._starting:
            if self._running is not None and not self._running.over:
                return self._running
            now = asyncio.get_running_loop().time()
            if self._closed or now < self._started_at + STARTS_AGAIN_AFTER_S:
                raise StoreUnavailable("Stored sessions cannot be read at the moment. Try again in a second.")
            self._started_at = now
            self._running = await _start(self._setup, lambda: self._closed)
            return self._running


async def _start(setup: tuple[str, str], expected_to_end: Callable[[], bool]) -> "_Running":
    # In the server's own session: beside another one's processes, Linux would not look at how nice it is (autogroups).
    ours, theirs = socket.socketpair()
    with theirs:
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "rtc_server.reading"),
                stdin=theirs.fileno(),
                stdout=asyncio.subprocess.DEVNULL,
            )
        except BaseException:
            writer.close()
            raise
    write_frame(writer, setup)
    return _Running(process, reader, writer, expected_to_end)


@dataclass
class _Running:
    """One life of the process."""

    process: asyncio.subprocess.Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    expected_to_end: Callable[[], bool]
    waiting: dict[int, asyncio.Future[Any]] = field(default_factory=dict)
    over: bool = False

    def __post_init__(self) -> None:
        self._listening = asyncio.create_task(self._listen(), name="reading process")

    def send(self, number: int, method: str | None, arguments: tuple[object, ...]) -> None:
        """method: None takes the call back."""
        write_frame(self.writer, (number, method, arguments))

    async def end(self) -> None:
        self.writer.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(ENDS_WITHIN_S):
                await self.process.wait()
        if self.process.returncode is None:
            self.process.kill()
        await self._listening

    async def _listen(self) -> None:
        try:
            while True:
                self._hear(*await read_frame(self.reader))
        except EOFError:
            pass
        finally:
            self.over = True
            for answer in self.waiting.values():
                if not answer.done():
                    answer.set_exception(StoreUnavailable("The read was broken off. Try again."))
            self.writer.close()
        code = await self.process.wait()
        if not self.expected_to_end():
            logger.error("the reading process has ended; the next read starts it again", extra={"code": code})

    def _hear(self, number: int, found: object, error: Exception | None) -> None:
        answer = self.waiting.get(number)
        if answer is None or answer.done():
            return  # nobody waits any more
        if error is None:
            answer.set_result(found)
        else:
            answer.set_exception(error)

"""The server as a process of its own, started as people start it."""

import asyncio
import json
import logging
import os
import re
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

LOG = logging.getLogger(__name__)
_ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")
_START_WITHIN_S = 30.0
_STOP_WITHIN_S = 30.0
"""Longer than a server gives itself (RTC_DRAIN_TIMEOUT): one that hangs then says so itself, and its code is not 0."""


class ServerProcess:
    """`python -m rtc_server serve`, whose log is in the report of a failed test."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._address: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._read())
        self.port = 0
        self.requests: list[str] = []
        """Method and route of each that it has answered, from its log."""
        self.workers: set[int] = set()
        """Those of its workers that have answered something."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def pid(self) -> int:
        return self._process.pid

    async def listening(self) -> None:
        self.port = await asyncio.wait_for(self._address, _START_WITHIN_S)

    def send(self, which: signal.Signals) -> None:
        self._process.send_signal(which)

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code."""
        if self._process.returncode is None:
            self._process.send_signal(how)
        try:
            return await asyncio.wait_for(self._process.wait(), _STOP_WITHIN_S)
        except TimeoutError:
            self._process.kill()
            raise
        finally:
            await self._reading

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            text = line.decode(errors="replace").rstrip()
            LOG.warning("server: %s", text)
            if '"event": "request"' in text:
                logged = json.loads(text)
                self.requests.append(f"{logged['method']} {logged['route']}")
                if "worker" in logged:
                    self.workers.add(logged["worker"])
            found = _ADDRESS.search(text)
            if found and not self._address.done():
                self._address.set_result(int(found[1]))
        if not self._address.done():
            self._address.set_exception(RuntimeError("The server ended before it listened."))


@asynccontextmanager
async def running_server(*arguments: str, port: int = 0, **settings: str) -> AsyncIterator[ServerProcess]:
    """settings: `RTC_…` by name; nothing else of the environment's RTC_ reaches the server.

    By default its spool is its own, and goes with it: what a killed server leaves there belongs to no other test.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RTC_")}
    with tempfile.TemporaryDirectory() as spool:
        async with _running(arguments, port, environment | {"RTC_SPOOL": spool} | settings) as server:
            yield server


@asynccontextmanager
async def _running(arguments: tuple[str, ...], port: int, environment: dict[str, str]) -> AsyncIterator[ServerProcess]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "rtc_server", "serve", "--port", str(port), *arguments),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    server = ServerProcess(process)
    try:
        await server.listening()
        yield server
        if process.returncode is None:
            assert (code := await server.stop()) == 0, f"it did not stop in good order ({code}): its log says why"
    finally:
        await server.stop()

"""Starts the workers, starts again those that die, and hands on what it is told. It holds no socket and no data."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

logger = logging.getLogger(__name__)

FIRST_RETRY_S, LONGEST_RETRY_S = 0.5, 15.0
STEADY_AFTER_S = 60.0
"""A worker that lived so long has started well: the next restart is quick again."""
EXIT_OK, EXIT_FAILED = 0, 1


@dataclass(frozen=True, slots=True)
class WorkerCommand:
    """How one worker is started."""

    arguments: Sequence[str]
    """Of `rtc-server`."""
    environment: Mapping[str, str]
    """Beside the parent's own."""


class Supervisor:
    """Use it from the event loop, and from nowhere else."""

    def __init__(self, commands: Sequence[WorkerCommand], on_ready: Callable[[], None]) -> None:
        """on_ready: called once, when all workers have begun to listen."""
        self._commands = commands
        self._on_ready = on_ready
        self._ready: set[int] = set()
        self._running: dict[int, asyncio.subprocess.Process] = {}
        self._stopping = asyncio.Event()
        self._codes: list[int] = []
        """How those ended that were not started again."""

    async def run(self) -> int:
        """Until all have ended; the exit code. Where none has ever listened, a worker's own code ends it all."""
        async with asyncio.TaskGroup() as tasks:
            for index, command in enumerate(self._commands):
                tasks.create_task(self._keep(index, command), name=f"worker {index}")
        return next((code for code in self._codes if code != EXIT_OK), EXIT_OK)

    def send(self, which: signal.Signals) -> None:
        """To all. After the first none is started again."""
        self._stopping.set()
        for process in self._running.values():
            with suppress(ProcessLookupError):
                process.send_signal(which)

    async def _keep(self, index: int, command: WorkerCommand) -> None:
        loop, failures = asyncio.get_running_loop(), 0
        while not self._stopping.is_set():
            began = loop.time()
            code = await self._run_once(index, command)
            if self._stopping.is_set():
                self._codes.append(_exit_code(code))
                return
            if not self._ready:
                # The first start fails, as that of a single server would: what is wrong was said, and stays wrong.
                self._codes.append(_exit_code(code))
                self.send(signal.SIGTERM)
                return
            failures = 1 if loop.time() - began >= STEADY_AFTER_S else failures + 1
            wait_s = min(FIRST_RETRY_S * 2.0 ** min(failures - 1, 10), LONGEST_RETRY_S)
            logger.error("a worker has ended", extra={"worker": index, "code": code, "starts_again_in_s": wait_s})
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait_s)

    async def _run_once(self, index: int, command: WorkerCommand) -> int:
        # A session of its own: Ctrl-C in a terminal reaches the parent only, which hands it on once. Its input ends
        # when the parent does, however that dies; then it stops too.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rtc_server", *command.arguments),
            env={**os.environ, **command.environment},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        self._running[index] = process
        try:
            if self._stopping.is_set():
                process.terminate()
            assert process.stdout is not None
            if await process.stdout.readline():
                self._note_ready(index)
            return await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            del self._running[index]

    def _note_ready(self, index: int) -> None:
        if index in self._ready:
            return
        self._ready.add(index)
        if len(self._ready) == len(self._commands) and not self._stopping.is_set():
            self._on_ready()


def _exit_code(code: int) -> int:
    """Of a process that a signal ended: failed."""
    return code if code >= 0 else EXIT_FAILED

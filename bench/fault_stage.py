"""A server that can be killed and started again, learners who come back to it, and the database's own word."""

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bench.database_faults import FailingDatabase, private_database
from bench.processes import SECRET, all_cores, free_port
from rtc_server.learner import Learner
from rtc_server.publisher.clip_track import ClipTrack
from rtc_server.publisher.encoded_clip import EncodedClip
from rtc_server.publisher.persistent_learner import PersistentLearner
from rtc_server.publisher.published_learner import Update
from rtc_server.web.access.auth import mint_token

LEARNERS = 6
NOTHING_S = 0.05
"""What is told is rounded, and the last update before a kill may still be on its way to the database."""
AHEAD_S = 3.0
"""A server lets pictures be so far ahead of the clock."""
WITHIN_S = 60.0
"""For whatever has to happen: the resume window."""


@dataclass
class Told:
    """What one learner was told last."""

    total_s: float = 0.0
    unknown_s: float = 0.0
    at: float = 0.0
    """Monotonic clock, seconds."""


@dataclass
class Watched:
    """A learner, and what it was told."""

    learner: PersistentLearner
    told: Told = field(default_factory=Told)
    began: float = 0.0

    def take(self, update: Update) -> None:
        metrics = update.message["metrics"]
        self.began = self.began or update.arrived
        self.told = Told(metrics["total_time"], metrics["unknown_time"], update.arrived)

    @property
    def doubled_s(self) -> float:
        """What it was told beyond the time that has passed. A camera's pictures may be AHEAD_S ahead."""
        return max(0.0, self.told.total_s + self.told.unknown_s - (self.told.at - self.began) - AHEAD_S)

    @property
    def session(self) -> str | None:
        return self.learner.newest.focus_session_id


class Lesson:
    """Learners who come back, and the database's own word about them."""

    def __init__(self, database_url: str) -> None:
        self._engine: AsyncEngine = create_async_engine(database_url, pool_pre_ping=True)
        self.watched: list[Watched] = []

    async def stored(self) -> dict[str, tuple[float, float, str | None]]:
        """Total, unknown and the reason of the end, by session."""
        query = "SELECT focus_session_id, focused_s + unfocused_s, unknown_s, end_reason FROM rtc_focus_sessions"
        async with self._engine.connect() as connection:
            return {row[0]: (row[1], row[2], row[3]) for row in await connection.execute(text(query))}

    async def servers(self) -> dict[str, str]:
        """Which server has it, by session."""
        query = "SELECT focus_session_id, server_id FROM rtc_focus_sessions"
        async with self._engine.connect() as connection:
            return {row[0]: row[1] for row in await connection.execute(text(query))}

    async def lost_s(self, before: Sequence[Told]) -> list[float]:
        """Of each learner: told, but not stored."""
        stored = await self.stored()
        totals = [stored.get(one.session or "", (0.0, 0.0, None))[0] for one in self.watched]
        return [max(0.0, told.total_s - total) for told, total in zip(before, totals, strict=True)]

    def told(self) -> list[Told]:
        return [one.told for one in self.watched]

    async def all_live(self, since: float) -> float:
        """Seconds from `since` until every learner was told something new. Raises RuntimeError if some never are."""
        try:
            await until(lambda: all(one.told.at > since for one in self.watched))
        except TimeoutError:
            dead = [one.learner.newest.failure for one in self.watched if one.told.at <= since]
            raise RuntimeError(f"{len(dead)} learners are not live: {dead}") from None
        return max(one.told.at for one in self.watched) - since

    async def close(self) -> None:
        await self._engine.dispose()


class KillableServer:
    """`rtc-server serve`, which can be killed and started again at the same address."""

    def __init__(
        self,
        url: str,
        folder: Path,
        *options: str,
        host: str = "127.0.0.1",
        spool: Path | None = None,
        within: Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """url: of the database. options: of `rtc-server serve`. within: a command that runs it, such as `ip netns`."""
        self._host = host
        self._options = options
        self._within = within
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RTC_")},
            "RTC_TOKEN_SECRET": SECRET,
            "RTC_DATABASE_URL": url,
            "RTC_SPOOL": str(spool or folder / "spool"),
            "RTC_LOG_LEVEL": "warning",
            "RTC_OFFERS_PER_MINUTE": "10000",
            "RTC_OFFERS_PER_MINUTE_PER_USER": "1000",
            **(settings or {}),
        }
        self._log = folder / "log"
        self.port = free_port()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{self._host}:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(*all_cores(), *self._within, sys.executable, "-m", "rtc_server", "serve"),
                *("--host", self._host, "--port", str(self.port), *self._options),
                env=self._environment,
                stdout=log,
                stderr=log,
            )

    async def stop(self, how: signal.Signals) -> float:
        """Seconds until it had ended."""
        assert self._process is not None
        began = time.monotonic()
        if self._process.returncode is None:
            self._process.send_signal(how)
        await self._process.wait()
        return time.monotonic() - began

    async def close(self) -> None:
        if self._process is not None and self._process.returncode is None:
            await self.stop(signal.SIGKILL)


class Stage(KillableServer, Lesson):
    """One server, and learners at it."""

    def __init__(self, url: str, folder: Path, *options: str, **more: Any) -> None:
        KillableServer.__init__(self, url, folder, *options, **more)
        Lesson.__init__(self, url)

    async def close(self) -> None:
        await KillableServer.close(self)
        await Lesson.close(self)


async def until(true: Callable[[], bool], within_s: float = WITHIN_S) -> None:
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110 - neither rows nor processes tell
            await asyncio.sleep(0.02)


async def caught_up(lesson: Lesson, before: Sequence[Told]) -> float:
    """Seconds until the database had what the learners had been told; infinite where it never came."""
    began = time.monotonic()
    while time.monotonic() - began < WITHIN_S:
        if max(await lesson.lost_s(before)) <= NOTHING_S:
            return time.monotonic() - began
        await asyncio.sleep(0.05)
    return float("inf")


@asynccontextmanager
async def stage(
    kind: str, clip: EncodedClip, *, spool: Path | None = None
) -> AsyncIterator[tuple[Stage, FailingDatabase]]:
    """With its server running and its learners live. Nothing of it is left afterwards."""
    with tempfile.TemporaryDirectory(prefix="rtc-faults-") as folder, private_database(kind) as database:
        made = Stage(database.url, Path(folder), spool=spool)
        try:
            await made.start()
            async with learners(made, f"{made.url}/whip", clip, LEARNERS):
                yield made, database
        finally:
            await made.close()


@asynccontextmanager
async def learners(lesson: Lesson, url: str, clip: EncodedClip, count: int, *, first: int = 1) -> AsyncIterator[None]:
    """They come, and are live; at the end they leave. first: the first one's user id."""
    interrupted, gate = asyncio.Event(), asyncio.Semaphore(6)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5.0)) as http:
        coming = []
        for number in range(first, first + count):
            token = mint_token(SECRET, Learner(number, 1), audience="rtc-server", ttl_s=24 * 3600)
            coming.append(watched(http, url, token, clip))
        await wait_for_server(http, url.removesuffix("/whip"))
        lesson.watched += coming
        running = [asyncio.create_task(one.learner.run(interrupted, gate)) for one in coming]
        try:
            await lesson.all_live(0.0)
            yield
        finally:
            interrupted.set()
            await asyncio.wait(running, timeout=20.0)
            for task in running:
                task.cancel()


def watched(http: aiohttp.ClientSession, url: str, token: str, clip: EncodedClip) -> Watched:
    def take(update: Update) -> None:
        one.take(update)

    one = Watched(PersistentLearner(http, url, token, lambda _passed_s: ClipTrack(clip, loop=True), on_update=take))
    return one


async def wait_for_server(http: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                async with http.get(f"{url}/readyz") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)

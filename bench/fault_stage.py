"""A server that can be killed and started again, learners who come back to it, and the database's own word."""

import asyncio
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bench.database_faults import FailingDatabase, private_database
from bench.processes import SECRET
from rtc_server.learner import Learner
from rtc_server.publisher.clip_track import ClipTrack
from rtc_server.publisher.encoded_clip import EncodedClip
from rtc_server.publisher.persistent_learner import PersistentLearner
from rtc_server.publisher.published_learner import Update
from rtc_server.web.access.auth import mint_token

LEARNERS = 6
NOTHING_S = 0.05
"""What is told is rounded, and the last update before a kill may still be on its way to the database."""
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
    def session(self) -> str | None:
        return self.learner.newest.focus_session_id


class Stage:
    """A server that can be killed and started again, six learners who come back, and the database's own word."""

    def __init__(
        self, url: str, folder: Path, *options: str, host: str = "127.0.0.1", spool: Path | None = None
    ) -> None:
        """options: of `rtc-server serve`."""
        self._host = host
        self._options = options
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RTC_")},
            "RTC_TOKEN_SECRET": SECRET,
            "RTC_DATABASE_URL": url,
            "RTC_SPOOL": str(spool or folder / "spool"),
            "RTC_LOG_LEVEL": "warning",
            "RTC_OFFERS_PER_MINUTE": "10000",
            "RTC_OFFERS_PER_MINUTE_PER_USER": "1000",
        }
        self._log = folder / "log"
        with socket.socket() as probe:
            probe.bind((host, 0))
            self._port = probe.getsockname()[1]
        self._engine: AsyncEngine = create_async_engine(url, pool_pre_ping=True)
        self.watched: list[Watched] = []
        self._process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{self._host}:{self._port}"

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "rtc_server", "serve", "--host", self._host, "--port", str(self._port)),
                *self._options,
                env=self._environment,
                stdout=log,
                stderr=log,
            )

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def stop(self, how: signal.Signals) -> float:
        """Seconds until it had ended."""
        assert self._process is not None
        began = time.monotonic()
        if self._process.returncode is None:
            self._process.send_signal(how)
        await self._process.wait()
        return time.monotonic() - began

    async def stored(self) -> dict[str, tuple[float, float, str | None]]:
        """Total, unknown and the reason of the end, by session."""
        query = "SELECT focus_session_id, focused_s + unfocused_s, unknown_s, end_reason FROM rtc_focus_sessions"
        async with self._engine.connect() as connection:
            return {row[0]: (row[1], row[2], row[3]) for row in await connection.execute(text(query))}

    async def lost_s(self, before: Sequence[Told]) -> list[float]:
        """Of each learner: told, but not stored."""
        stored = await self.stored()
        totals = [stored.get(one.session or "", (0.0, 0.0, None))[0] for one in self.watched]
        return [max(0.0, told.total_s - total) for told, total in zip(before, totals, strict=True)]

    def told(self) -> list[Told]:
        return [one.told for one in self.watched]

    async def all_live(self, since: float) -> float:
        """Seconds from `since` until every learner was told something new."""
        await until(lambda: all(one.told.at > since for one in self.watched))
        return max(one.told.at for one in self.watched) - since

    async def close(self) -> None:
        if self._process is not None and self._process.returncode is None:
            await self.stop(signal.SIGKILL)
        await self._engine.dispose()


async def until(true: Callable[[], bool], within_s: float = WITHIN_S) -> None:
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110 - neither rows nor processes tell
            await asyncio.sleep(0.02)


async def caught_up(stage: Stage, before: Sequence[Told]) -> float:
    """Seconds until the database had what the learners had been told; infinite where it never came."""
    began = time.monotonic()
    while time.monotonic() - began < WITHIN_S:
        if max(await stage.lost_s(before)) <= NOTHING_S:
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
        interrupted, gate = asyncio.Event(), asyncio.Semaphore(LEARNERS)
        try:
            await made.start()
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5.0)) as http:
                for number in range(LEARNERS):
                    token = mint_token(SECRET, Learner(number + 1, 1), audience="rtc-server", ttl_s=24 * 3600)
                    made.watched.append(watched(http, f"{made.url}/whip", token, clip))
                await wait_for_server(http, made.url)
                running = [asyncio.create_task(one.learner.run(interrupted, gate)) for one in made.watched]
                try:
                    await made.all_live(0.0)
                    yield made, database
                finally:
                    interrupted.set()
                    await asyncio.wait(running, timeout=20.0)
                    for task in running:
                        task.cancel()
        finally:
            await made.close()


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

"""`faults`: servers that are killed and databases that fail under learners, and what is lost, doubled and resumed."""

import asyncio
import os
import random
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bench.clip import sitter
from bench.database_faults import DATABASE_FAULTS, DatabaseFault, private_database
from bench.figures import spread
from bench.network_cut import Cable, clip_file
from bench.processes import SECRET
from bench.report import Goal, Report
from bench.run import Run
from rtc_server.learner import Learner
from rtc_server.publisher.clip_track import ClipTrack
from rtc_server.publisher.encoded_clip import EncodedClip
from rtc_server.publisher.persistent_learner import PersistentLearner
from rtc_server.publisher.published_learner import Update
from rtc_server.web.access.auth import mint_token

LEARNERS = 6
KILLS_A_RUN = 5
LOST_AT_A_KILL_S = 1.0
NOTHING_S = 0.05
"""What is told is rounded, and the last update before a kill may still be on its way to the database."""
WITHIN_S = 60.0
"""For whatever has to happen: the resume window."""
CUTS_S = (1.0, 10.0, 40.0, 90.0)
"""The last is longer than the resume window: two sessions for each learner."""
DATABASES = ("mysql", "postgresql")


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

    def __init__(self, url: str, folder: Path, host: str = "127.0.0.1") -> None:
        self.database_url = url
        self._host = host
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RTC_")},
            "RTC_TOKEN_SECRET": SECRET,
            "RTC_DATABASE_URL": url,
            "RTC_SPOOL": str(folder / "spool"),
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
                env=self._environment,
                stdout=log,
                stderr=log,
            )

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
async def stage(database: str, clip: EncodedClip) -> AsyncIterator[tuple[Stage, Any]]:
    """With its server running and its learners live. Nothing of it is left afterwards."""
    with tempfile.TemporaryDirectory(prefix="rtc-faults-") as folder, private_database(database) as server:
        made = Stage(server.new_database(), Path(folder))
        interrupted, gate = asyncio.Event(), asyncio.Semaphore(LEARNERS)
        try:
            await made.start()
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5.0)) as http:
                for number in range(LEARNERS):
                    token = mint_token(SECRET, Learner(number + 1, 1), audience="rtc-server", ttl_s=24 * 3600)
                    made.watched.append(watched(http, f"http://{made.address}/whip", token, clip))
                await wait_for_server(http, made.address)
                running = [asyncio.create_task(one.learner.run(interrupted, gate)) for one in made.watched]
                try:
                    await made.all_live(0.0)
                    yield made, server
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


async def wait_for_server(http: aiohttp.ClientSession, address: str) -> None:
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                async with http.get(f"http://{address}/readyz") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)


@dataclass
class Found:
    """What came of one kind of fault."""

    lost_s: list[float] = field(default_factory=list)
    doubled_s: list[float] = field(default_factory=list)
    resumed: list[bool] = field(default_factory=list)
    live_s: list[float] = field(default_factory=list)
    ended_s: list[float] = field(default_factory=list)


async def kills(run: Run, found: Found, chance: random.Random) -> None:
    async with stage("mysql", run.clip) as (made, _):
        for number in range(run.runs * KILLS_A_RUN):
            await asyncio.sleep(chance.uniform(1.5, 4.5))
            sessions = [one.session for one in made.watched]
            before = made.told()
            await made.stop(signal.SIGKILL)
            lost = await made.lost_s(before)
            killed_at = time.monotonic()
            await made.start()
            found.live_s.append(await made.all_live(killed_at))
            found.lost_s += lost
            found.resumed += [one.session == session for one, session in zip(made.watched, sessions, strict=True)]
            found.doubled_s += [
                max(0.0, one.told.total_s + one.told.unknown_s - (one.told.at - one.began) - 3.0)
                for one in made.watched
            ]
            run.say(
                f"faults: kill {number + 1} of {run.runs * KILLS_A_RUN}: lost {max(lost):.2f} s at most, live again "
                f"after {found.live_s[-1]:.1f} s, {sum(found.resumed)} of {len(found.resumed)} resumed"
            )


async def database_fails(run: Run, database: str, fault: DatabaseFault, found: Found) -> None:
    async with stage(database, run.clip) as (made, server):
        await asyncio.sleep(1.5)
        await fault.during(server, made, run.seconds)
        before = made.told()
        found.live_s.append(await caught_up(made, before))
        found.lost_s += await made.lost_s(before)
        found.doubled_s += doubled(made, await made.stored())
        run.say(f"faults: {database} {fault.name}: stored again after {found.live_s[-1]:.1f} s")


def doubled(made: Stage, stored: dict[str, tuple[float, float, str | None]]) -> Iterator[float]:
    """Stored, but never told: of each learner."""
    for one in made.watched:
        total_s, _, _ = stored.get(one.session or "", (0.0, 0.0, None))
        yield max(0.0, total_s - one.told.total_s - 1.0)


async def stops(run: Run, found: Found, *, outage: bool) -> None:
    async with stage("mysql", run.clip) as (made, server):
        await asyncio.sleep(2.0)
        sessions = [one.session for one in made.watched]
        if outage:
            server.stop()
            await asyncio.sleep(2.0)
        try:
            found.ended_s.append(await made.stop(signal.SIGTERM))
            before = made.told()
        finally:
            if outage:
                server.start()
        stopped_at = time.monotonic()
        await made.start()
        found.live_s.append(await made.all_live(stopped_at))
        found.lost_s += await made.lost_s(before)
        found.resumed += [one.session == session for one, session in zip(made.watched, sessions, strict=True)]
        run.say(f"faults: stopped{' in an outage' if outage else ''} in {found.ended_s[-1]:.1f} s")


async def cut(run: Run, seconds: float, found: Found) -> None:
    """The network between the learners and the server is cut."""
    with (
        tempfile.TemporaryDirectory(prefix="rtc-faults-") as folder,
        private_database("mysql") as server,
        Cable().laid() as cable,
        clip_file(sitter(10.0)) as clip,
    ):
        made = Stage(server.new_database(), Path(folder), host=cable.address)
        try:
            await made.start()
            async with aiohttp.ClientSession() as http:
                await wait_for_server(http, made.address)
            told = await cable.learners(f"http://{made.address}/whip", clip, LEARNERS, seconds)
            stored = await made.stored()
        finally:
            await made.close()
    for learner in told.learners:
        total_s, _, _ = stored.get(learner["focus_session_id"] or "", (0.0, 0.0, None))
        found.lost_s.append(max(0.0, learner["metrics"]["total_time"] - total_s))
    found.resumed.append(len(stored) == LEARNERS)
    counted_s = sum(total_s + unknown_s for total_s, unknown_s, _ in stored.values()) / LEARNERS
    found.doubled_s.append(max(0.0, counted_s - told.passed_s))
    run.say(f"faults: network cut for {seconds:g} s: {len(stored)} sessions of {LEARNERS} learners")


async def faults(run: Run) -> Report:
    chance = random.Random(14)
    killed, stopped, stopped_in_outage = Found(), Found(), Found()
    await kills(run, killed, chance)
    await stops(run, stopped, outage=False)
    await stops(run, stopped_in_outage, outage=True)
    rows = [
        row(f"kill -9, {run.runs * KILLS_A_RUN} times", killed),
        row("SIGTERM", stopped),
        row("SIGTERM without a database", stopped_in_outage),
    ]
    failed: list[Found] = []
    for seconds in CUTS_S:
        failed.append(Found())
        await cut(run, seconds, failed[-1])
        rows.append(row(f"network cut for {seconds:g} s", failed[-1]))
    for database in DATABASES:
        for fault in DATABASE_FAULTS:
            failed.append(Found())
            await database_fails(run, database, fault, failed[-1])
            rows.append(row(f"{database}: {fault.name}", failed[-1]))
    return Report(
        "faults",
        f"{LEARNERS} published learners, who come back with `continues`, at a real server with real databases. Lost is "
        "what a learner had been told and the database did not have afterwards; doubled what was stored beyond what "
        "was told, or beyond the time that had passed. Live again: from the end of the server to the first update for "
        "the last learner, the start of the next one included; for databases, from the end of the fault until all was "
        f"stored. A network is cut for all learners at once. Each fault of a database lasts {run.seconds:g} s.",
        rows,
        goals(killed, [stopped, stopped_in_outage], failed),
    )


def row(name: str, found: Found) -> dict[str, Any]:
    return {
        "": name,
        "lost_s, most": max(found.lost_s, default=None),
        "doubled_s, most": max(found.doubled_s, default=None),
        "resumed": f"{sum(found.resumed)} of {len(found.resumed)}" if found.resumed else None,
        "live again, s": spread(found.live_s).median if found.live_s else None,
        "most": max(found.live_s, default=None),
        "server ended in, s": max(found.ended_s, default=None),
    }


def goals(killed: Found, stopped: Sequence[Found], failed: Sequence[Found]) -> list[Goal]:
    at_kills, resumed = max(killed.lost_s), [one for found in (killed, *stopped) for one in found.resumed]
    elsewhere = max(lost for found in (*stopped, *failed) for lost in found.lost_s)
    doubled_s = max(one for found in (killed, *failed) for one in found.doubled_s)
    return [
        Goal(f"at a kill at most {LOST_AT_A_KILL_S:g} s lost", f"{at_kills:.2f} s", at_kills <= LOST_AT_A_KILL_S),
        Goal("else nothing lost", f"{elsewhere:.2f} s", elsewhere <= NOTHING_S),
        Goal("nothing doubled", f"{doubled_s:.2f} s", doubled_s <= NOTHING_S),
        Goal("all sessions resumed", f"{sum(resumed)} of {len(resumed)}", all(resumed)),
    ]

"""`faults`: servers that are killed and databases that fail under learners, and what is lost, doubled and resumed."""

import asyncio
import random
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from bench.clip import sitter
from bench.database_faults import DATABASE_FAULTS, DatabaseFault, full, private_database, small_disk
from bench.fault_stage import LEARNERS, NOTHING_S, WITHIN_S, Stage, caught_up, stage, wait_for_server
from bench.figures import spread
from bench.network_cut import Cable, clip_file
from bench.page_kills import page_kills
from bench.report import Goal, Report
from bench.run import Run

KILLS_A_RUN = 5
LOST_AT_A_KILL_S = 1.0
NOTICED_WITHIN_S = 2.0
BACK_WITHIN_S = 1.0
ENDED_WITHIN_S = 20.0
"""RTC_DRAIN_TIMEOUT."""
CUTS_S = (1.0, 10.0, 40.0, 90.0)
"""The last is longer than the resume window: two sessions for each learner."""
DATABASES = ("mysql", "postgresql")
STOPPED_AFTER_S = 2.0
"""A server that is stopped in the middle of a fault."""


@dataclass
class Found:
    """What came of one kind of fault."""

    name: str = ""
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
            found.doubled_s += [one.doubled_s for one in made.watched]
            run.say(
                f"faults: kill {number + 1} of {run.runs * KILLS_A_RUN}: lost {max(lost):.2f} s at most, live again "
                f"after {found.live_s[-1]:.1f} s, {sum(found.resumed)} of {len(found.resumed)} resumed"
            )


async def database_fails(run: Run, kind: str, fault: DatabaseFault, found: Found, stopped: Found) -> None:
    """Once under a server that lives on, once under one that is stopped meanwhile."""
    async with stage(kind, run.clip) as (made, database):
        await asyncio.sleep(1.5)
        await fault.during(database, run.seconds)
        before = made.told()
        found.live_s.append(await caught_up(made, before))
        found.lost_s += await made.lost_s(before)
        found.doubled_s += doubled(made, await made.stored())
        run.say(f"faults: {kind} {fault.name}: stored again after {found.live_s[-1]:.1f} s")
        await asyncio.sleep(2.0)
        sessions = [one.session for one in made.watched]
        failing = asyncio.create_task(fault.during(database, run.seconds))
        await asyncio.sleep(STOPPED_AFTER_S)
        await stop_and_go_on(made, stopped, failing, sessions)
        run.say(f"faults: {kind} {fault.name}: stopped in it in {stopped.ended_s[-1]:.1f} s")


async def stop_and_go_on(
    made: Stage, found: Found, failing: asyncio.Task[None], sessions: Sequence[str | None]
) -> None:
    """SIGTERM while something fails; once that is over, the next start."""
    found.ended_s.append(await made.stop(signal.SIGTERM))
    before = made.told()
    await failing
    began = time.monotonic()
    await made.start()
    found.live_s.append(await made.all_live(began))
    await caught_up(made, before)
    found.lost_s += await made.lost_s(before)
    found.doubled_s += doubled(made, await made.stored())
    found.resumed += [one.session == session for one, session in zip(made.watched, sessions, strict=True)]


def doubled(made: Stage, stored: dict[str, tuple[float, float, str | None]]) -> Iterator[float]:
    """Stored, but never told: of each learner."""
    for one in made.watched:
        total_s, _, _ = stored.get(one.session or "", (0.0, 0.0, None))
        yield max(0.0, total_s - one.told.total_s - 1.0)


async def stops(run: Run, found: Found) -> None:
    async with stage("mysql", run.clip) as (made, _):
        await asyncio.sleep(2.0)
        nothing: asyncio.Task[None] = asyncio.create_task(asyncio.sleep(0.0))
        await stop_and_go_on(made, found, nothing, [one.session for one in made.watched])
        run.say(f"faults: stopped in {found.ended_s[-1]:.1f} s")


async def no_room(run: Run, found: Found) -> None:
    """The database is away, the spool's disk is full, and the server is stopped."""
    with small_disk("16m") as disk:
        async with stage("mysql", run.clip, spool=disk / "spool") as (made, database):
            await asyncio.sleep(2.0)
            sessions = [one.session for one in made.watched]

            async def outage() -> None:
                await asyncio.to_thread(database.server.stop)
                with full(disk):
                    await asyncio.sleep(STOPPED_AFTER_S + run.seconds)
                await asyncio.to_thread(database.server.start)

            failing = asyncio.create_task(outage())
            await asyncio.sleep(STOPPED_AFTER_S)
            await stop_and_go_on(made, found, failing, sessions)
            run.say(f"faults: no room for the spool: lost {max(found.lost_s):.2f} s at most")


async def cut(run: Run, seconds: float, found: Found) -> None:
    """The network between the learners and the server is cut."""
    with (
        tempfile.TemporaryDirectory(prefix="rtc-faults-") as folder,
        private_database("mysql") as database,
        Cable().laid() as cable,
        clip_file(sitter(10.0)) as clip,
    ):
        made = Stage(database.url, Path(folder), host=cable.address)
        try:
            await made.start()
            async with aiohttp.ClientSession() as http:
                await wait_for_server(http, made.url)
            told = await cable.learners(f"{made.url}/whip", clip, LEARNERS, seconds)
            stored = await made.stored()
        finally:
            await made.close()
    for learner in told.learners:
        total_s, _, _ = stored.get(learner["focus_session_id"] or "", (0.0, 0.0, None))
        found.lost_s.append(max(0.0, learner["metrics"]["total_time"] - total_s))
    if seconds < WITHIN_S:
        found.resumed.append(len(stored) == LEARNERS)
    counted_s = sum(total_s + unknown_s for total_s, unknown_s, _ in stored.values()) / LEARNERS
    found.doubled_s.append(max(0.0, counted_s - told.passed_s))
    run.say(f"faults: network cut for {seconds:g} s: {len(stored)} sessions of {LEARNERS} learners")


async def faults(run: Run) -> Report:
    killed, page = Found(), await page_kills(run, run.runs)
    await kills(run, killed, random.Random(14))
    rows = [row(f"kill -9, {run.runs * KILLS_A_RUN} times", killed)]
    failed: list[Found] = []

    def one_more(name: str) -> Found:
        failed.append(Found(name))
        return failed[-1]

    await stops(run, one_more("SIGTERM"))
    await no_room(run, one_more("SIGTERM, no database, the spool's disk full"))
    for seconds in CUTS_S:
        await cut(run, seconds, one_more(f"network cut for {seconds:g} s"))
    for kind in DATABASES:
        for fault in DATABASE_FAULTS:
            name = f"{kind}: {fault.name}"
            await database_fails(run, kind, fault, one_more(name), one_more(f"{name}, and SIGTERM"))
    rows += [row(found.name, found) for found in failed]
    return Report(
        "faults",
        f"{LEARNERS} published learners, who come back with `continues`, at a real server with real databases. Lost is "
        "what a learner had been told and the database did not have afterwards; doubled what was stored beyond what "
        "was told, or beyond the time that had passed. Live again: from the end of the server to the first update for "
        "the last learner, the start of the next one included; for a database under a server that lives on, from the "
        "end of the fault until all was stored. A network is cut for all learners at once. Each fault of a database "
        f"lasts {run.seconds:g} s, and is made twice: the second time the server is stopped {STOPPED_AFTER_S:g} s "
        "after its start. Our page was open in Chromium while its server was killed "
        f"{len(page.noticed_s)} times: it said so {spread(page.noticed_s)} s after the kill, and was live again "
        f"{spread(page.back_s)} s after the next server was ready.",
        rows,
        [
            *goals(killed, failed),
            Goal(
                f"the page notices within {NOTICED_WITHIN_S:g} s",
                f"{max(page.noticed_s):.2f} s",
                max(page.noticed_s) <= NOTICED_WITHIN_S,
            ),
            Goal(
                f"the page is live {BACK_WITHIN_S:g} s after the server's return",
                f"{spread(page.back_s)} s",
                spread(page.back_s).median <= BACK_WITHIN_S,
            ),
        ],
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


def goals(killed: Found, failed: Sequence[Found]) -> list[Goal]:
    at_kills, everything = max(killed.lost_s), [killed, *failed]
    resumed = [one for found in everything for one in found.resumed]
    elsewhere = max(lost for found in failed for lost in found.lost_s)
    doubled_s = max(one for found in everything for one in found.doubled_s)
    ended_s = max(one for found in failed for one in found.ended_s)
    return [
        Goal(f"at a kill at most {LOST_AT_A_KILL_S:g} s lost", f"{at_kills:.2f} s", at_kills <= LOST_AT_A_KILL_S),
        Goal("else nothing lost", f"{elsewhere:.2f} s", elsewhere <= NOTHING_S),
        Goal("nothing doubled", f"{doubled_s:.2f} s", doubled_s <= NOTHING_S),
        Goal("all sessions resumed", f"{sum(resumed)} of {len(resumed)}", all(resumed)),
        Goal(f"a stopped server ends within {ENDED_WITHIN_S:g} s", f"{ended_s:.1f} s", ended_s <= ENDED_WITHIN_S),
    ]

"""`reads`: the API over a million sessions in MariaDB, alone and beside learners."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp

from bench.crowd import SPREAD, Window, crowd
from bench.figures import percentile, spread
from bench.processes import MANY, SECRET, MeasuredServer, our_server
from bench.report import Goal, Report
from bench.run import Run
from bench.school import LEARNERS, MODULES, MODULES_OF_A_LEARNER, OLD_ROWS, WITH_SPANS, school, session_id
from rtc_server.learner import Learner
from rtc_server.web.access.auth import mint_token

SESSIONS = 1_000_000
GUESTS = 4
MOST_MS = 50.0
MOST_RATIO = 1.2
TIMES = 60
"""How often each thing is asked, of another module or learner each time."""
THINK_S = 0.1
"""Between two questions of the readers beside learners: ten a second, as of twenty teachers who click without pause."""

Ask = Callable[[random.Random], tuple[str, dict[str, str]]]


def teacher(modules: int) -> Callable[[random.Random], tuple[int, dict[str, str]]]:
    """The first of so many modules of a teacher, and the token."""

    def one(chance: random.Random) -> tuple[int, dict[str, str]]:
        theirs = chance.sample(range(1, MODULES + 1), modules)
        return theirs[0], _bearer(Learner(LEARNERS + theirs[0], theirs[0]), role="teacher", modules=theirs[1:])

    return one


def of_teacher(path: str, modules: int = 1) -> Ask:
    def ask(chance: random.Random) -> tuple[str, dict[str, str]]:
        module_id, headers = teacher(modules)(chance)
        return path.format(module=module_id), headers

    return ask


def of_learner(path: str) -> Ask:
    def ask(chance: random.Random) -> tuple[str, dict[str, str]]:
        user = chance.randint(1, LEARNERS)
        theirs = [1 + (MODULES_OF_A_LEARNER * (user - 1) + k) % MODULES for k in range(MODULES_OF_A_LEARNER)]
        return path, _bearer(Learner(user, theirs[0]), modules=theirs[1:])

    return ask


def one_session(chance: random.Random) -> tuple[str, dict[str, str]]:
    number = SESSIONS - chance.randint(1, WITH_SPANS // 2)
    everything = list(range(1, MODULES + 1))
    return f"/api/v1/sessions/{session_id(number)}", _bearer(Learner(9_999, 1), role="teacher", modules=everything)


QUESTIONS: Mapping[str, Ask] = {
    "sessions of a module": of_teacher("/api/v1/sessions?module_id={module}"),
    "of 8 modules": of_teacher("/api/v1/sessions", 8),
    "of a module's section in June": of_teacher(
        "/api/v1/sessions?module_id={module}&section_id=2&from=2026-06-01T00:00:00Z&to=2026-07-01T00:00:00Z"
    ),
    "live sessions of a module": of_teacher("/api/v1/sessions?state=live"),
    "a learner's own": of_learner("/api/v1/sessions"),
    "one session, 20 spans": one_session,
    "sums of a module": of_teacher("/api/v1/sums?by=module"),
    "by section": of_teacher("/api/v1/sums?by=section"),
    "by day": of_teacher("/api/v1/sums?by=day"),
    "by learner": of_teacher("/api/v1/sums?by=learner"),
    "a learner's own by day": of_learner("/api/v1/sums?by=day"),
}


async def reads(run: Run) -> Report:
    async with school(SESSIONS) as url:
        settings = {"RTC_DATABASE_URL": url, "RTC_READS_PER_MINUTE": MANY}
        async with our_server(adaptive=True, environment=settings) as server, _client(server) as http:
            rows = [await _asked(http, name, ask) for name, ask in QUESTIONS.items()]
            run.say("reads: each has been asked")
            exported = await _exported(http, server)
            quiet, beside = await _beside_learners(run, server, http)
    ratio = spread([under.p95_ms / before.p95_ms for before, under in zip(quiet, beside, strict=True)])
    slowest = max(rows, key=lambda row: float(row["p95_ms"]))
    return Report(
        "reads",
        f"A MariaDB with {SESSIONS:,} sessions of {LEARNERS} learners in {MODULES} modules, {SESSIONS:,} rows of the "
        f"platform's for these, and {OLD_ROWS:,} that only the old platform wrote, all in its buffer pool. Each "
        f"question is asked {TIMES} times over HTTP, one after the other, of another module or learner each time. Then "
        f"{GUESTS} learners are measured {run.runs} times in turn, alone and while all these are asked in turn, "
        f"{1 / THINK_S:.0f} a second, an export runs, and four pages show a class that nobody reads. {SPREAD}",
        [*rows, exported],
        [
            Goal(
                f"p95 under {MOST_MS:.0f} ms for each",
                f"{slowest['p95_ms']:.3g} ms for {slowest['question']}",
                slowest["p95_ms"] < MOST_MS,
            ),
            Goal(
                f"learners' p95 at most {MOST_RATIO} of that without readers",
                f"{ratio}; {_median(quiet):.3g} ms alone, {_median(beside):.3g} ms beside",
                ratio.median <= MOST_RATIO,
            ),
        ],
    )


def _median(windows: list[Window]) -> float:
    return spread([window.p95_ms for window in windows]).median


def _client(server: MeasuredServer) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(server.url.removesuffix("whip"), timeout=aiohttp.ClientTimeout(total=None))


def _bearer(learner: Learner, **choices: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {mint_token(SECRET, learner, audience='rtc-server', **choices)}"}


async def _asked(http: aiohttp.ClientSession, name: str, ask: Ask) -> dict[str, Any]:
    chance = random.Random(name)
    times_ms = [await _ask(http, *ask(chance)) for _ in range(TIMES)]
    return {
        "question": name,
        "p50_ms": percentile(times_ms, 50),
        "p95_ms": percentile(times_ms, 95),
        "most_ms": max(times_ms),
    }


async def _ask(http: aiohttp.ClientSession, path: str, headers: Mapping[str, str]) -> float:
    began = time.perf_counter()
    async with http.get(path, headers=headers) as response:
        await response.read()
        if response.status != 200:
            raise RuntimeError(f"{path} got {response.status}")
    return 1000 * (time.perf_counter() - began)


async def _exported(http: aiohttp.ClientSession, server: MeasuredServer) -> dict[str, Any]:
    """All sessions of a teacher of every module. The time is for 1000 of them."""
    everything = _bearer(Learner(9_998, 1), role="teacher", modules=list(range(1, MODULES + 1)))
    before, began, lines, most = server.usage().rss_bytes, time.perf_counter(), 0, 0
    async with http.get("/api/v1/sessions.csv", headers=everything) as response:
        async for chunk in response.content.iter_any():
            if lines // 50_000 < (lines + chunk.count(b"\n")) // 50_000:
                most = max(most, server.usage().rss_bytes)
            lines += chunk.count(b"\n")
    per_thousand = 1000 * (time.perf_counter() - began) / (lines / 1000)
    grown = max(0, most - before) / 2**20
    return {"question": f"export of {lines - 1:,} sessions, for 1000 (memory {grown:+.0f} MB)", "p50_ms": per_thousand}


async def _beside_learners(
    run: Run, server: MeasuredServer, http: aiohttp.ClientSession
) -> tuple[list[Window], list[Window]]:
    quiet, beside = [], []
    async with crowd(server, run.clip, GUESTS) as guests:
        for _ in range(run.runs):
            quiet.append(await guests.measure(run.seconds))
            reading = [asyncio.create_task(_read_on(http)), asyncio.create_task(_export_on(http))]
            module = _bearer(Learner(9_997, 1), role="teacher")
            pages = [await http.get("/api/v1/class?module_id=1", headers=module) for _ in range(4)]
            try:
                beside.append(await guests.measure(run.seconds))
            finally:
                for page in pages:
                    page.close()
                for task in reading:
                    task.cancel()
                done = await asyncio.gather(*reading, return_exceptions=True)
            failures = [one for one in done if isinstance(one, Exception)]
            if failures:
                raise failures[0]
            run.say(f"reads: learners' p95 {quiet[-1].p95_ms:.1f} ms alone, {beside[-1].p95_ms:.1f} ms beside readers")
    return quiet, beside


async def _read_on(http: aiohttp.ClientSession) -> None:
    chance = random.Random(1)
    while True:
        for ask in QUESTIONS.values():
            await _ask(http, *ask(chance))
            await asyncio.sleep(THINK_S)


async def _export_on(http: aiohttp.ClientSession) -> None:
    while True:
        _, headers = teacher(1)(random.Random())
        async with http.get("/api/v1/sessions.csv", headers=headers) as response:
            await response.read()
        await asyncio.sleep(1.0)

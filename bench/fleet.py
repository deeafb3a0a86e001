"""`fleet`: several servers as one: how they share learners, what a relayed offer costs, and what dies with one."""

import asyncio
import signal
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import fmean, median
from typing import Any

import aiohttp
from aiortc import RTCConfiguration, RTCPeerConnection

from bench.balancer import BRIDGE, balanced, folder_of, hosts
from bench.clip import sitter
from bench.database_faults import private_database
from bench.fault_stage import WITHIN_S, KillableServer, Lesson, caught_up, learners, wait_for_server
from bench.figures import spread
from bench.processes import SECRET, free_port
from bench.report import Goal, Report
from bench.run import Run
from rtc_server.learner import Learner
from rtc_server.publisher.encoded_clip import EncodedClip, encode_clip
from rtc_server.web.access.auth import mint_token
from tests.redis_server import PrivateRedis, private_redis

SERVERS, LEARNERS = 4, 40
HOSTS, ON_HOSTS = 3, 12
CAMERA_EVERY = 8
"""Every eighth picture of fifteen a second: two processors carry forty learners, the servers and the database, and are
not full. Pictures so far apart cost more each, because nothing stays where it was."""
MOST_UNEVEN = 1.2
LIVE_WITHIN_S = 5.0
LOST_S = 1.0
RUSH_S = 5.0
"""Learners who come all at once take more of the machine than learners who are there."""
STALE_S = 0.5
"""An update that came so long after a death may still have been on its way before it."""
REDIS_AWAY_S = 60.0
NEWCOMERS = 8
FLEET_SECRET = "only for measuring, the servers among themselves"


class Fleet:
    """Servers behind a balancer, with one database and one Redis."""

    def __init__(self, url: str, servers: list[KillableServer], lesson: Lesson, redis: PrivateRedis) -> None:
        self.url = url
        self.servers = servers
        self.lesson = lesson
        self.redis = redis

    async def share(self) -> Counter[str]:
        """Learners of each server, as the database has it, once it has all of them."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                owners = await self.lesson.servers()
                if all(one.session in owners for one in self.lesson.watched):
                    return Counter(owners[one.session or ""] for one in self.lesson.watched)
                await asyncio.sleep(0.1)


@asynccontextmanager
async def running_fleet(count: int, *, places: int = 40) -> AsyncIterator[Fleet]:
    """On this host, each with a port of its own. places: RTC_MAX_SESSIONS."""
    async with AsyncExitStack() as owned:
        folder = Path(owned.enter_context(tempfile.TemporaryDirectory(prefix="rtc-fleet-")))
        database = owned.enter_context(private_database("mysql"))
        redis = await owned.enter_async_context(private_redis())
        settings = fleet_settings(redis.url) | {"RTC_MAX_SESSIONS": str(places)}
        servers = [
            KillableServer(database.url, folder_of(folder, number), settings=settings) for number in range(count)
        ]
        port = free_port()
        await owned.enter_async_context(started(servers))
        await owned.enter_async_context(balanced("127.0.0.1", port, [server.address for server in servers]))
        lesson = Lesson(database.url)
        owned.push_async_callback(lesson.close)
        yield Fleet(f"http://127.0.0.1:{port}/whip", servers, lesson, redis)


def fleet_settings(redis_url: str) -> dict[str, str]:
    return {"RTC_REDIS_URL": redis_url, "RTC_FLEET_SECRET": FLEET_SECRET}


@asynccontextmanager
async def started(servers: list[KillableServer]) -> AsyncIterator[None]:
    async with aiohttp.ClientSession() as http:
        try:
            for server in servers:
                await server.start()
            for server in servers:
                await wait_for_server(http, server.url)
            yield
        finally:
            for server in servers:
                await server.close()


async def balance_and_deaths(run: Run, clip: EncodedClip) -> dict[str, Any]:
    """Forty learners at four servers; one server is killed, then Redis is away for a minute."""
    async with running_fleet(SERVERS) as made, learners(made.lesson, made.url, clip, LEARNERS):
        share = await made.share()
        run.say(f"fleet: {LEARNERS} learners on {SERVERS} servers: {sorted(share.values())}")
        await asyncio.sleep(RUSH_S)
        found: dict[str, Any] = {"uneven": max(share.values()) / (LEARNERS / SERVERS)}

        async def kill() -> None:
            await made.servers[0].stop(signal.SIGKILL)

        found |= await _death(run, "a server killed", made.lesson, kill)
        found |= await _without_redis(run, made, clip)
        return found


async def _death(run: Run, name: str, lesson: Lesson, die: Callable[[], Awaitable[None]]) -> dict[str, Any]:
    """A server dies. What is lost is what its learners had been told and the database did not have at its death."""
    owners, before, died_at = await lesson.servers(), lesson.told(), time.monotonic()
    sessions = [one.session or "" for one in lesson.watched]
    await die()
    lost = await lesson.lost_s(before)
    live_s = await lesson.all_live(died_at + STALE_S) + STALE_S
    owners_now = await lesson.servers()
    moved = [owners[session] != owners_now[session] for session in sessions]
    lost_s = max(one for one, is_theirs in zip(lost, moved, strict=True) if is_theirs)
    resumed = sum(one.session == session for one, session in zip(lesson.watched, sessions, strict=True))
    run.say(
        f"fleet: {name}: {sum(moved)} went on elsewhere, all live after {live_s:.1f} s, lost {lost_s:.2f} s at most"
    )
    doubled_s = max(one.doubled_s for one in lesson.watched)
    return {"live_s": live_s, "lost_s": lost_s, "doubled_s": doubled_s, "resumed": resumed}


async def _without_redis(run: Run, made: Fleet, clip: EncodedClip) -> dict[str, Any]:
    await made.redis.stop()
    began = time.monotonic()
    sessions = [one.session for one in made.lesson.watched]
    async with learners(made.lesson, made.url, clip, NEWCOMERS, first=1 + LEARNERS):
        await asyncio.sleep(max(0.0, REDIS_AWAY_S - (time.monotonic() - began)))
        before = made.lesson.told()
        await made.redis.start()
        await caught_up(made.lesson, before)
        lost_s = max(await made.lesson.lost_s(before))
        here = made.lesson.watched[: len(sessions)]
        stayed = sum(one.session == session for one, session in zip(here, sessions, strict=True))
        taken = sum(one.session is not None for one in made.lesson.watched[len(sessions) :])
        del made.lesson.watched[len(sessions) :]
    run.say(f"fleet: Redis away for {REDIS_AWAY_S:g} s: {taken} of {NEWCOMERS} newcomers taken, lost {lost_s:.2f} s")
    return {"redis_lost_s": lost_s, "redis_stayed": stayed, "redis_taken": taken}


async def relayed_offers(run: Run, offers: int) -> list[float]:
    """Milliseconds by which an offer is answered later where another server answers it, one pair after the other."""
    async with running_fleet(2, places=1) as made, aiohttp.ClientSession() as http:
        full, free = made.servers
        keeps = await _offer(http, full.url, 1)
        extra = []
        for user_id in range(2, 2 + offers):
            relayed = await _offer(http, full.url, user_id)
            await _end(http, full.url, relayed, user_id)
            direct = await _offer(http, free.url, user_id)
            await _end(http, free.url, direct, user_id)
            extra.append(1000 * (relayed[0] - direct[0]))
        await _end(http, full.url, keeps, 1)
        run.say(f"fleet: a relayed offer takes {median(extra):.1f} ms longer")
        return extra


async def _offer(http: aiohttp.ClientSession, url: str, user_id: int) -> tuple[float, str]:
    """Seconds until it was answered, and the resource."""
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.addTransceiver("video", direction="sendonly")
    try:
        await peer.setLocalDescription(await peer.createOffer())
        headers = {"Content-Type": "application/sdp", **_bearer(user_id)}
        async with asyncio.timeout(30.0):
            while True:
                began = time.monotonic()
                async with http.post(f"{url}/whip", data=peer.localDescription.sdp, headers=headers) as answer:
                    passed_s = time.monotonic() - began
                    if answer.status == 201:
                        return passed_s, answer.headers["Location"]
                await asyncio.sleep(0.1)  # the one before has not quite left
    finally:
        await peer.close()


async def _end(http: aiohttp.ClientSession, url: str, offered: tuple[float, str], user_id: int) -> None:
    async with http.delete(f"{url}{offered[1]}", headers=_bearer(user_id)) as answer:
        answer.raise_for_status()


def _bearer(user_id: int) -> dict[str, str]:
    return {"Authorization": f"Bearer {mint_token(SECRET, Learner(user_id, 1), audience='rtc-server')}"}


async def host_cut_off(run: Run, clip: EncodedClip) -> dict[str, Any]:
    """Three hosts behind HAProxy; the network of one is gone."""
    async with AsyncExitStack() as owned:
        folder = Path(owned.enter_context(tempfile.TemporaryDirectory(prefix="rtc-fleet-")))
        database = owned.enter_context(private_database("mysql"))
        spaces = owned.enter_context(hosts(HOSTS))
        redis = await owned.enter_async_context(private_redis(BRIDGE))
        servers = [
            KillableServer(
                database.url,
                folder_of(folder, number),
                host=space.address,
                within=space.within,
                settings=fleet_settings(redis.url) | {"RTC_PRIVATE_HOST": space.address},
            )
            for number, space in enumerate(spaces)
        ]
        port = free_port()
        await owned.enter_async_context(started(servers))
        await owned.enter_async_context(balanced("127.0.0.1", port, [server.address for server in servers]))
        lesson = Lesson(database.url)
        owned.push_async_callback(lesson.close)
        async with learners(lesson, f"http://127.0.0.1:{port}/whip", clip, ON_HOSTS):
            await asyncio.sleep(RUSH_S)

            async def cut() -> None:
                spaces[0].cut()

            return await _death(run, "a host cut off", lesson, cut)


async def fleet(run: Run) -> Report:
    clip = encode_clip(picture for number, picture in enumerate(sitter()) if number % CAMERA_EVERY == 0)
    found = [await balance_and_deaths(run, clip) for _ in range(run.runs)]
    cut = [await host_cut_off(run, clip) for _ in range(run.runs)]
    extra_ms = await relayed_offers(run, 10 * run.runs)
    rows = [
        {
            "": f"{LEARNERS} learners on {SERVERS} servers: most by mean",
            "found": str(spread([f["uneven"] for f in found])),
        },
        {"": "a relayed offer, ms longer", "found": str(spread(extra_ms))},
        *_death_rows("a server killed", found, LEARNERS),
        *_death_rows("a host cut off", cut, ON_HOSTS),
        {"": f"Redis away {REDIS_AWAY_S:g} s: lost, s", "found": f"{max(f['redis_lost_s'] for f in found):.2f}"},
        {"": "…: newcomers taken", "found": f"{min(f['redis_taken'] for f in found)} of {NEWCOMERS}"},
    ]
    return Report(
        "fleet",
        f"{SERVERS} servers on this machine, HAProxy in front, MariaDB, one Redis; {LEARNERS} published learners at "
        f"two pictures a second. Then {HOSTS} hosts (network namespaces) with {ON_HOSTS} learners. All live: from the "
        "death until every learner was told something new. Medians with least and most.",
        rows,
        _goals(found, cut),
    )


def _death_rows(name: str, found: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    return [
        {"": f"{name}: all live, s", "found": str(spread([one["live_s"] for one in found]))},
        {"": "…: lost, s, most", "found": f"{max(one['lost_s'] for one in found):.2f}"},
        {"": "…: doubled, s, most", "found": f"{max(one['doubled_s'] for one in found):.2f}"},
        {"": "…: in the same session", "found": f"{min(one['resumed'] for one in found)} of {count}"},
    ]


def _goals(found: list[dict[str, Any]], cut: list[dict[str, Any]]) -> list[Goal]:
    uneven = fmean(one["uneven"] for one in found)
    live_s, lost_s = max(one["live_s"] for one in found), max(one["lost_s"] for one in (*found, *cut))
    doubled_s = max(one["doubled_s"] for one in (*found, *cut))
    redis_lost_s, taken = max(one["redis_lost_s"] for one in found), min(one["redis_taken"] for one in found)
    return [
        Goal(f"the fullest server has at most {MOST_UNEVEN} × the mean", f"{uneven:.2f}", uneven <= MOST_UNEVEN),
        Goal(f"a server killed: all live within {LIVE_WITHIN_S:g} s", f"{live_s:.1f} s", live_s <= LIVE_WITHIN_S),
        Goal(f"at a death at most {LOST_S:g} s lost", f"{lost_s:.2f} s", lost_s <= LOST_S),
        Goal("nothing doubled", f"{doubled_s:.2f} s", doubled_s == 0.0),
        Goal("Redis away: nothing lost", f"{redis_lost_s:.2f} s", redis_lost_s <= 0.05),
        Goal("Redis away: nobody refused", f"{taken} of {NEWCOMERS}", taken == NEWCOMERS),
    ]

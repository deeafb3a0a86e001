"""The directory, in a real Redis that comes and goes."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from redis.asyncio import Redis

from rtc_server.errors import FleetUnreachable
from rtc_server.fleet.directory import ANSWERS_WITHIN_S, GONE_AFTER_S, Directory
from rtc_server.fleet.worker import Worker
from tests.redis_server import PrivateRedis


def worker(name: str) -> Worker:
    return Worker(name, f"http://{name}", 0.25, 16, "1")


@asynccontextmanager
async def joined(redis: PrivateRedis, name: str) -> AsyncIterator[Directory]:
    client = Redis.from_url(redis.url, socket_timeout=1.0, socket_connect_timeout=1.0)
    directory = Directory(client, lambda _late_s: worker(name))
    await directory.start()
    try:
        yield directory
    finally:
        await directory.close()
        await client.aclose()


async def until(true: Callable[[], bool], within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110 - a Redis that comes and goes tells nobody
            await asyncio.sleep(0.02)


async def test_workers_find_each_other_and_forget_who_leaves(redis_server: PrivateRedis) -> None:
    async with joined(redis_server, "a") as a:
        async with joined(redis_server, "b") as b:
            assert sorted(one.worker_id for one in await a.others()) == ["a", "b"]
            assert await a.find("b") == worker("b")
            assert await b.find("a") == worker("a")
            assert await b.find("c") is None
        assert [one.worker_id for one in await a.others()] == ["a"]


async def test_who_is_killed_is_gone_after_a_while(redis_server: PrivateRedis) -> None:
    client = Redis.from_url(redis_server.url)
    killed = Directory(client, lambda _late_s: worker("killed"))
    async with joined(redis_server, "a") as a:
        await killed._renew(0.0)
        assert len(await a.others()) == 2
        began = time.monotonic()
        async with asyncio.timeout(2 * GONE_AFTER_S):
            while len(await a.others()) == 2:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.1)
        assert time.monotonic() - began == pytest.approx(GONE_AFTER_S, abs=0.5)
        assert await client.smembers("rtc:workers") == {b"a"}
    await client.aclose()


async def test_a_redis_that_is_away_costs_nobody_anything(
    redis_server: PrivateRedis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with joined(redis_server, "a") as a, joined(redis_server, "b"):
        assert await a.find("b") == worker("b")
        await redis_server.stop()
        began = time.monotonic()
        assert await a.others() == []
        assert await a.find("b") == worker("b")
        with pytest.raises(FleetUnreachable):
            await a.find("never heard of")
        assert time.monotonic() - began < 2 * ANSWERS_WITHIN_S + 0.2
        assert a.away
        await redis_server.start()
        await until(lambda: not a.away)
        async with asyncio.timeout(5.0):
            while len(await a.others()) < 2:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)
    said = [record.message for record in caplog.records if record.name.endswith("directory")]
    assert said.count("the fleet's directory does not answer: newcomers stay where they arrive") == 2
    assert said.count("the fleet's directory answers again") == 2


async def test_a_redis_that_hangs_delays_one_newcomer_by_a_moment(redis_server: PrivateRedis) -> None:
    async with AsyncExitStack() as owned:
        a = await owned.enter_async_context(joined(redis_server, "a"))
        redis_server.freeze()
        owned.callback(redis_server.thaw)
        began = time.monotonic()
        assert await a.others() == []
        assert time.monotonic() - began == pytest.approx(ANSWERS_WITHIN_S, abs=0.15)
        began = time.monotonic()
        assert await a.others() == []
        assert time.monotonic() - began < 0.05


async def test_a_redis_that_has_just_begun_makes_nobody_unknown(redis_server: PrivateRedis) -> None:
    async with joined(redis_server, "a") as a, joined(redis_server, "b") as b:
        await a.find("b")
        await b.close()
        assert await a.find("b") == worker("b")


async def test_a_worker_begins_while_redis_is_away() -> None:
    redis = PrivateRedis()
    async with joined(redis, "a") as a:
        assert a.away
        assert await a.others() == []
        await redis.start()
        await until(lambda: not a.away)
        assert len(await a.others()) == 1
    await redis.stop()

"""A class whose learners are on several servers, as one: what each server sees of it is sent to those who look on.

Through Redis's channels: nothing of a learner is stored there. Where nobody looks at a module, nothing is sent.
"""

import asyncio
import logging
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from pydantic import TypeAdapter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from rtc_server.learner import Learner
from rtc_server.peer.live_class import LiveLearner

logger = logging.getLogger(__name__)

EVERY_S = 1.0
LOOKED_AT_FOR_S = 5.0
"""After the last look at a module its learners are sent for so long."""
OLD_AFTER_S = 5.0
"""A server that has said nothing for so long is gone, and its learners come back elsewhere."""
ANSWERS_WITHIN_S = 1.0
_AWAY = (RedisError, OSError, TimeoutError)


class OwnClass(Protocol):
    """What this server sees."""

    def learners(self, module_id: int) -> list[LiveLearner]: ...
    def modules(self) -> set[int]:
        """Those in which there are learners."""
        ...


@dataclass(frozen=True, slots=True)
class _News:
    """What one server sees of a module."""

    worker_id: str
    learners: tuple[LiveLearner, ...]


_NEWS = TypeAdapter(_News)


class ClassExchange:
    """Implements the class feed's `LiveLearners`. Use it from the event loop."""

    def __init__(self, redis: Redis, worker_id: str, own: OwnClass) -> None:
        self._redis = redis
        self._worker_id = worker_id
        self._own = own
        self._looked_at: dict[int, float] = {}
        """When somebody here looked at a module last. Monotonic, as below."""
        self._heard: dict[tuple[int, str], tuple[float, tuple[LiveLearner, ...]]] = {}
        """By module and worker."""
        self._channels = redis.pubsub(ignore_subscribe_messages=True)
        self._subscribed: set[int] = set()
        self._tasks: list[asyncio.Task[None]] = []

    def learners(self, module_id: int) -> list[LiveLearner]:
        """Of a module, on all servers. Others' are there a second or two after the first look."""
        now = time.monotonic()
        self._looked_at[module_id] = now
        elsewhere = [
            learner
            for (module, _), (at, learners) in self._heard.items()
            if module == module_id and at > now - OLD_AFTER_S
            for learner in learners
        ]
        return newest([*self._own.learners(module_id), *elsewhere])

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._exchange(), name="class exchange"),
            asyncio.create_task(self._listen(), name="class exchange listener"),
        ]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(*_AWAY):
            await self._channels.aclose()  # type: ignore[no-untyped-call]

    async def _exchange(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            now = time.monotonic()
            self._looked_at = {module: at for module, at in self._looked_at.items() if at > now - LOOKED_AT_FOR_S}
            self._heard = {key: heard for key, heard in self._heard.items() if heard[0] > now - OLD_AFTER_S}
            with suppress(*_AWAY):  # the directory says that Redis is away
                async with asyncio.timeout(ANSWERS_WITHIN_S):
                    await self._say_what_is_looked_at()
                    await self._tell()

    async def _say_what_is_looked_at(self) -> None:
        looked_at = set(self._looked_at)
        if new := looked_at - self._subscribed:
            await self._channels.subscribe(*map(_channel, new))
        if old := self._subscribed - looked_at:
            await self._channels.unsubscribe(*map(_channel, old))
        self._subscribed = looked_at
        if looked_at:
            async with self._redis.pipeline(transaction=False) as commands:
                for module in looked_at:
                    commands.set(_looked_at(module), b"1", px=round(1000 * LOOKED_AT_FOR_S))
                await commands.execute()

    async def _tell(self) -> None:
        """Those who look on at a module of this server's learners."""
        modules = list(self._own.modules())
        if not modules:
            return
        wanted = await self._redis.mget([_looked_at(module) for module in modules])
        for module, looked_at in zip(modules, wanted, strict=True):
            if looked_at is not None:
                news = _News(self._worker_id, tuple(self._own.learners(module)))
                await self._redis.publish(_channel(module), _NEWS.dump_json(news))

    async def _listen(self) -> None:
        while True:
            if not self._channels.subscribed:
                await asyncio.sleep(EVERY_S / 4)
                continue
            try:
                message = await self._channels.get_message(timeout=EVERY_S)
            except _AWAY:
                await asyncio.sleep(EVERY_S)  # it subscribes again by itself
                continue
            if message is not None:
                self._hear(message["channel"], message["data"])

    def _hear(self, channel: bytes, content: bytes) -> None:
        try:
            news = _NEWS.validate_json(content)
        except ValueError:
            logger.debug("another version's news of a class", exc_info=True)
            return
        if news.worker_id != self._worker_id:
            module = int(channel.decode().rpartition(":")[2])
            self._heard[module, news.worker_id] = (time.monotonic(), news.learners)


def newest(learners: Iterable[LiveLearner]) -> list[LiveLearner]:
    """One of each: a learner who has moved from server to server is where they were seen last."""
    chosen: dict[Learner, LiveLearner] = {}
    for one in learners:
        other = chosen.get(one.learner)
        if other is None or _recency(one) > _recency(other):
            chosen[one.learner] = one
    return list(chosen.values())


def _recency(one: LiveLearner) -> tuple[bool, bool, datetime]:
    last = one.recent[-1].end if one.recent else datetime.min.replace(tzinfo=UTC)
    return one.end_reason is None, one.connected, last


def _channel(module_id: int) -> str:
    return f"rtc:class:{module_id}"


def _looked_at(module_id: int) -> str:
    return f"rtc:looked-at:{module_id}"

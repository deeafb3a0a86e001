"""Who is there: each worker's entry in Redis, which it renews every second, and which runs out by itself.

While Redis is away, those who were known go on being known, and nobody is chosen for a newcomer.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress

from redis.asyncio import Redis
from redis.exceptions import RedisError

from rtc_server.errors import FleetUnreachable
from rtc_server.fleet.worker import Worker

logger = logging.getLogger(__name__)

RENEW_EVERY_S = 1.0
GONE_AFTER_S = 5.0
"""Without a renewal."""
ANSWERS_WITHIN_S = 0.3
"""A newcomer waits for it."""
CHOICES = 2
MAX_KNOWN = 4096
"""Workers whose address is remembered, for when Redis is away."""
_ALL = "rtc:workers"
_AWAY = (RedisError, OSError, TimeoutError)


def _key(worker_id: str) -> str:
    return f"rtc:worker:{worker_id}"


class Directory:
    """Use it from the event loop."""

    def __init__(self, redis: Redis, report: Callable[[float], Worker]) -> None:
        """report: this worker as it is now, given how many seconds late the loop was."""
        self._redis = redis
        self._report = report
        self._changed = asyncio.Event()
        self._away = False
        self._known: OrderedDict[str, Worker] = OrderedDict()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def away(self) -> bool:
        """Redis did not answer the last time."""
        return self._away

    async def start(self) -> None:
        await self._renew(0.0)
        self._task = asyncio.create_task(self._run(), name="fleet directory")

    async def close(self) -> None:
        """Others no longer find this worker."""
        if self._task is None:
            return
        self._closing.set()
        self._changed.set()
        await self._task
        self._task = None
        worker_id = self._report(0.0).worker_id
        with suppress(*_AWAY):
            async with asyncio.timeout(ANSWERS_WITHIN_S), self._redis.pipeline(transaction=False) as commands:
                commands.delete(_key(worker_id))
                commands.srem(_ALL, worker_id)
                await commands.execute()

    def changed(self) -> None:
        """This worker has something new to tell: it is told at once, and not only with the next second."""
        self._changed.set()

    async def others(self) -> list[Worker]:
        """A few, picked by chance, as they are now. None while Redis is away."""
        if self._away:
            return []
        try:
            async with asyncio.timeout(ANSWERS_WITHIN_S):
                # One more, because this worker may be among them.
                picked = await self._redis.srandmember(_ALL, CHOICES + 1)
                return await self._read(_texts(picked))
        except _AWAY as error:
            self._note_away(error)
            return []

    async def find(self, worker_id: str) -> Worker | None:
        """None if there is no such worker. Raises FleetUnreachable if nobody can tell.

        One that was known is still believed in: a Redis that has just begun knows nobody for a second.
        """
        if not self._away:
            try:
                async with asyncio.timeout(ANSWERS_WITHIN_S):
                    found = await self._read([worker_id])
                    return found[0] if found else self._known.get(worker_id)
            except _AWAY as error:
                self._note_away(error)
        if (known := self._known.get(worker_id)) is not None:
            return known
        raise FleetUnreachable("The servers' directory does not answer. Try again.")

    async def _run(self) -> None:
        while not self._closing.is_set():
            due = time.monotonic() + RENEW_EVERY_S
            with suppress(TimeoutError):
                async with asyncio.timeout(RENEW_EVERY_S):
                    await self._changed.wait()
            self._changed.clear()
            await self._renew(max(0.0, time.monotonic() - due))

    async def _renew(self, late_s: float) -> None:
        mine = self._report(late_s)
        try:
            async with asyncio.timeout(RENEW_EVERY_S), self._redis.pipeline(transaction=False) as commands:
                commands.set(_key(mine.worker_id), mine.to_json(), px=round(1000 * GONE_AFTER_S))
                commands.sadd(_ALL, mine.worker_id)
                commands.srandmember(_ALL, 16)
                *_, some = await commands.execute()
                await self._read(_texts(some))
        except _AWAY as error:
            self._note_away(error)
            return
        if self._away:
            logger.info("the fleet's directory answers again")
        self._away = False

    async def _read(self, worker_ids: list[str]) -> list[Worker]:
        """Those that are there. Who is gone is removed from the list of all."""
        if not worker_ids:
            return []
        contents = await self._redis.mget([_key(worker_id) for worker_id in worker_ids])
        gone = [worker_id for worker_id, content in zip(worker_ids, contents, strict=True) if content is None]
        if gone:
            await self._redis.srem(_ALL, *gone)
        found = [worker for content in contents if isinstance(content, bytes) if (worker := Worker.from_json(content))]
        for worker in found:
            self._known[worker.worker_id] = worker
            self._known.move_to_end(worker.worker_id)
        while len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        return found

    def _note_away(self, error: BaseException) -> None:
        if not self._away:
            logger.warning(
                "the fleet's directory does not answer: newcomers stay where they arrive",
                extra={"cause": type(error).__name__},
            )
        self._away = True


def _texts(members: object) -> list[str]:
    """What Redis gives for some members of a set."""
    assert isinstance(members, list)
    return [member.decode() for member in members]

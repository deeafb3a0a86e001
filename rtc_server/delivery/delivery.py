"""Takes what is due from the outbox and sends it, a few events at once, for as long as the server runs.

    outbox ──take──▶ sink.send ──▶ done · failed (again later) · dead

One for each sink, so that a slow receiver holds up no other. Nothing else waits for it: saves only put rows into the
outbox.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Protocol

from rtc_server.delivery.backoff import again_in_s
from rtc_server.delivery.counts import DeliveryCounts
from rtc_server.delivery.sink import Fate, Outcome, Sink
from rtc_server.event import SEND_WITHIN_S, Event, SinkName

logger = logging.getLogger(__name__)

CLAIM_S = 60.0
"""After so long an event whose sender has gone is sent again. Much longer than an attempt may take."""
LOOK_EVERY_S = 1.0
COUNT_EVERY_S = 10.0
"""How often what waits is counted, for the metrics."""
AT_ONCE = 8
"""Attempts at one receiver at the same time."""
FINISH_WITHIN_S = 2.0
"""At the end of the server, for attempts that have begun. What is broken off is sent again, after CLAIM_S."""
_ROWS_WITHIN_S = 5.0


class Counted(Protocol):
    @property
    def sink(self) -> str: ...
    @property
    def waiting(self) -> int: ...
    @property
    def dead(self) -> int: ...


class OutboxRows(Protocol):
    """Each is one transaction, and raises whatever the database does."""

    async def take(self, sink: SinkName, limit: int, claim_s: float) -> list[Event]:
        """Events that are due, for the caller alone until `claim_s` from now."""
        ...

    async def done(self, event: Event) -> None: ...
    async def failed(self, event: Event, error: str, again_in_s: float) -> None: ...
    async def dead(self, event: Event, error: str) -> None: ...
    async def survey(self) -> Sequence[Counted]: ...


class Delivery:
    """Sends to one sink. Use it from the event loop."""

    def __init__(
        self,
        name: SinkName,
        sink: Sink,
        rows: OutboxRows,
        counts: DeliveryCounts,
        *,
        look_every_s: float = LOOK_EVERY_S,
        claim_s: float = CLAIM_S,
    ) -> None:
        self._name = name
        self._sink = sink
        self._rows = rows
        self._counts = counts
        self._look_every_s = look_every_s
        self._claim_s = claim_s
        self._sending: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()
        self._free = asyncio.Event()
        """Set when an attempt has ended: there may be more for its place."""
        self._task: asyncio.Task[None] | None = None
        self._away = False

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"delivery-{self._name}")

    async def close(self) -> None:
        """Takes nothing more. Attempts that have begun get FINISH_WITHIN_S."""
        if self._task is None:
            return
        self._closing.set()
        self._free.set()
        await self._task
        self._task = None
        if self._sending:
            await asyncio.wait(self._sending, timeout=FINISH_WITHIN_S)
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    async def _run(self) -> None:
        counted = 0.0
        while not self._closing.is_set():
            self._free.clear()
            taken = await self._take()
            for event in taken:
                task = asyncio.create_task(self._deliver(event), name=f"delivery-{self._name}-attempt")
                self._sending.add(task)
                task.add_done_callback(self._ended)
            if _now() - counted >= COUNT_EVERY_S:
                counted = _now()
                await self._try(self._count)
            if not taken or len(self._sending) >= AT_ONCE:
                await self._pause()

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._free.wait(), self._look_every_s)

    async def _take(self) -> list[Event]:
        free = AT_ONCE - len(self._sending)
        taken: list[Event] = []

        async def take() -> None:
            taken.extend(await self._rows.take(self._name, free, self._claim_s))

        if free > 0:
            await self._try(take)
        return taken

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._free.set()

    async def _deliver(self, event: Event) -> None:
        began = _now()
        outcome = await self._attempt(event)
        self._counts.send_s.observe(_now() - began)
        if outcome.fate is Fate.DELIVERED:
            self._counts.delivered.add(self._name)
            await self._try(lambda: self._rows.done(event))
            return
        self._counts.failed.add(self._name)
        again = again_in_s(event.attempt, random.random(), outcome.retry_after_s)  # noqa: S311 - spreads retries only
        if outcome.fate is Fate.DEAD or again is None:
            logger.warning("an event is dead", extra={"sink": self._name, "cause": outcome.error})
            await self._try(lambda: self._rows.dead(event, outcome.error))
        else:
            delay_s = again
            await self._try(lambda: self._rows.failed(event, outcome.error, delay_s))

    async def _attempt(self, event: Event) -> Outcome:
        try:
            async with asyncio.timeout(SEND_WITHIN_S + 1.0):
                return await self._sink.send(event)
        except Exception as error:  # a bug in a sink: it must not end the sending of all others
            logger.exception("an event could not be sent", extra={"sink": self._name})
            return Outcome(Fate.AGAIN, type(error).__name__)

    async def _count(self) -> None:
        found = {one.sink: one for one in await self._rows.survey()}
        mine = found.get(self._name)
        self._counts.waiting[self._name] = mine.waiting if mine else 0
        self._counts.dead[self._name] = mine.dead if mine else 0

    async def _try(self, transaction: Callable[[], Awaitable[None]]) -> None:
        """If it fails, what was taken is taken again after its claim."""
        try:
            async with asyncio.timeout(_ROWS_WITHIN_S):
                await transaction()
        except Exception as error:  # the writer says that the database does not answer
            if not self._away:
                logger.warning("the outbox does not answer", extra={"sink": self._name, "cause": type(error).__name__})
            self._away = True
        else:
            self._away = False


def _now() -> float:
    """Loop time, in seconds."""
    return asyncio.get_running_loop().time()

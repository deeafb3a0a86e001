"""The outbox as those see it who send events: what is due, and what came of it.

An event that is taken gets a later time for its next attempt, and one attempt more. Both together are the claim: only
one server can raise the number of attempts from what it saw. A server that is killed while it sends leaves the event to
be taken again at that time.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Row, and_, case, delete, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from rtc_server.event import Event, EventType, SinkName
from rtc_server.store.database_clock import database_now
from rtc_server.store.schema import as_utc, outbox

MAX_ERROR = 200
_CHANGED_AT_ONCE = 500

_waiting = outbox.c


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the outbox holds for one sink."""

    sink: str
    waiting: int
    dead: int
    oldest: datetime
    """When the oldest of all these happened. UTC, aware."""
    last_error: str | None
    """Of the newest of those that could not be sent."""


class OutboxTransactions:
    """Implements the `OutboxRows` of `delivery`. Each is one transaction, and raises whatever the database does."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def take(self, sink: SinkName, limit: int, claim_s: float) -> list[Event]:
        """Events that are due, for the caller alone until `claim_s` from now.

        Of each session only the oldest, so that they arrive in order.
        """
        async with self._engine.begin() as connection:
            now = await database_now(connection)
            query = select(outbox).where(_due(sink, now)).order_by(_waiting.id).limit(limit)
            found = (await connection.execute(query)).all()
            taken = []
            for row in found:
                claim = (
                    update(outbox)
                    .where(_waiting.id == row.id, _waiting.attempts == row.attempts)
                    .values(attempts=row.attempts + 1, sending=True, next_attempt_at=now + timedelta(seconds=claim_s))
                )
                if (await connection.execute(claim)).rowcount:
                    taken.append(_event(row))
            return taken

    async def done(self, event: Event) -> None:
        """It has arrived."""
        async with self._engine.begin() as connection:
            await connection.execute(delete(outbox).where(_claimed(event)))

    async def failed(self, event: Event, error: str, again_in_s: float) -> None:
        """It has not arrived. error: without anything personal in it."""
        async with self._engine.begin() as connection:
            due_at = await database_now(connection) + timedelta(seconds=again_in_s)
            values = {"sending": False, "next_attempt_at": due_at, "last_error": error[:MAX_ERROR]}
            await connection.execute(update(outbox).where(_claimed(event)).values(values))

    async def dead(self, event: Event, error: str) -> None:
        """It is not sent any more, until somebody says so."""
        async with self._engine.begin() as connection:
            values = {"dead_since": await database_now(connection), "last_error": error[:MAX_ERROR]}
            await connection.execute(update(outbox).where(_claimed(event)).values(values))

    async def survey(self) -> list[Waiting]:
        """One for each sink with events, in alphabetical order."""
        is_dead = case((_waiting.dead_since.is_not(None), 1), else_=0)
        counts = select(_waiting.sink, func.count(), func.sum(is_dead), func.min(_waiting.occurred_at))
        newest = select(_waiting.sink, func.max(_waiting.id).label("id")).where(_waiting.last_error.is_not(None))
        newest_ids = newest.group_by(_waiting.sink).subquery()
        errors = select(_waiting.sink, _waiting.last_error).where(_waiting.id.in_(select(newest_ids.c.id)))
        async with self._engine.begin() as connection:
            grouped = (await connection.execute(counts.group_by(_waiting.sink).order_by(_waiting.sink))).all()
            last: dict[str, str] = {one.sink: one.last_error for one in await connection.execute(errors)}
        return [
            Waiting(sink, total - int(dead), int(dead), as_utc(oldest), last.get(sink))
            for sink, total, dead, oldest in grouped
        ]

    async def retry_dead(self) -> int:
        """Has all dead events sent again, from the first attempt on. Returns how many."""
        return await self._change_dead(drop=False)

    async def drop_dead(self) -> int:
        """Deletes all dead events. Returns how many."""
        return await self._change_dead(drop=True)

    async def _change_dead(self, *, drop: bool) -> int:
        changed = 0
        while True:
            async with self._engine.begin() as connection:
                query = select(_waiting.id).where(_waiting.dead_since.is_not(None)).limit(_CHANGED_AT_ONCE)
                ids = list((await connection.execute(query)).scalars())
                if not ids:
                    return changed
                these = and_(_waiting.id.in_(ids), _waiting.dead_since.is_not(None))
                if drop:
                    done = await connection.execute(delete(outbox).where(these))
                else:
                    now = await database_now(connection)
                    values = {"dead_since": None, "attempts": 0, "sending": False, "next_attempt_at": now}
                    done = await connection.execute(update(outbox).where(these).values(values))
                changed += done.rowcount


def _due(sink: SinkName, now: datetime) -> ColumnElement[bool]:
    earlier = outbox.alias("earlier")
    before_it = exists().where(
        earlier.c.focus_session_id == _waiting.focus_session_id,
        earlier.c.sink == _waiting.sink,
        earlier.c.id < _waiting.id,
        earlier.c.dead_since.is_(None),
    )
    return and_(_waiting.dead_since.is_(None), _waiting.sink == sink.value, _waiting.next_attempt_at <= now, ~before_it)


def _claimed(event: Event) -> ColumnElement[bool]:
    """Unless it has been taken again since, by another server."""
    return and_(_waiting.id == event.row_id, _waiting.attempts == event.attempt)


def _event(row: Row[tuple[object, ...]]) -> Event:
    return Event(
        row_id=row.id,
        event_id=row.event_id,
        sink=SinkName(row.sink),
        type=EventType(row.type),
        occurred_at=as_utc(row.occurred_at),
        data=json.loads(row.payload),
        attempt=row.attempts + 1,
        may_have_arrived=row.sending,
    )

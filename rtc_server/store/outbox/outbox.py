"""Puts events into the outbox, in the transaction that writes what they tell of.

So none is lost, and none tells of what was not stored. Where no sink is configured nothing is read or written.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from rtc_server.event import SEND_WITHIN_S, EventType, SinkName
from rtc_server.record import FocusRecord
from rtc_server.store.database_clock import database_now
from rtc_server.store.outbox.differences import note_differences
from rtc_server.store.own_row import own_columns
from rtc_server.store.progress import StoredProgress
from rtc_server.store.schema import as_utc, focus_sessions, outbox

TOLD = (
    "focus_session_id",
    "user_id",
    "module_id",
    "section_id",
    "policy",
    "session_type",
    "started_at",
    "recorded_at",
    "ended_at",
    "end_reason",
    "focused_s",
    "unfocused_s",
    "unknown_s",
    "multiple_faces_s",
)
"""The columns of `rtc_focus_sessions` that an event has. No name of a learner: who receives it has the id."""

_waiting = outbox.c


class Outbox:
    def __init__(
        self, wanted: Mapping[SinkName, Collection[EventType]] | None = None, update_interval_s: float = 0.0
    ) -> None:
        """wanted: the sinks, each with the events that it is sent. update_interval_s: 0 for no updates."""
        self._wanted = dict(wanted or {})
        self._update_interval_s = update_interval_s

    async def put_written(
        self, connection: AsyncConnection, written: Sequence[tuple[FocusRecord, StoredProgress | None]]
    ) -> None:
        """written: each record with what was stored before it."""
        if not self._wanted:
            return
        found = [(one, record) for record, before in written for one in self._events_of(record, before)]
        await self._put_sessions(connection, [(one, own_columns(record)) for one, record in found])

    async def put_ended(self, connection: AsyncConnection, focus_session_ids: Collection[str]) -> None:
        """These sessions were closed in the database."""
        await self._put_stored(connection, EventType.ENDED, focus_session_ids)

    async def put_continued(self, connection: AsyncConnection, focus_session_id: str) -> None:
        """It had ended, and goes on."""
        await self._put_stored(connection, EventType.UPDATED, [focus_session_id])

    async def put_erased(self, connection: AsyncConnection, user_id: int) -> None:
        """Removes what waits of this learner, then tells of the erasure, after what is being sent has arrived."""
        await remove_events(connection, select(_waiting.id).where(_waiting.user_id == user_id))
        now = await database_now(connection)
        rows = self._rows(EventType.ERASED, now, {"user_id": user_id}, now + timedelta(seconds=SEND_WITHIN_S))
        if rows:
            await connection.execute(insert(outbox), rows)

    def _events_of(self, record: FocusRecord, before: StoredProgress | None) -> Iterable[EventType]:
        if before is None:
            yield EventType.STARTED
        if record.end_reason is not None:
            if before is None or (record.end_reason, _measured_s(record)) != (before.end_reason, before.measured_s):
                yield EventType.ENDED
        elif before is not None and self._marks(record, record.recorded_at) > self._marks(record, before.recorded_at):
            yield EventType.UPDATED

    def _marks(self, record: FocusRecord, moment: datetime) -> int:
        """How many update intervals have passed since the session began."""
        if not self._update_interval_s:
            return 0
        return int((as_utc(moment) - record.started_at).total_seconds() // self._update_interval_s)

    async def _put_stored(
        self, connection: AsyncConnection, event: EventType, focus_session_ids: Collection[str]
    ) -> None:
        if not self._wanted or not focus_session_ids:
            return
        columns = [focus_sessions.c[name] for name in TOLD]
        query = select(*columns).where(focus_sessions.c.focus_session_id.in_(focus_session_ids))
        found = (await connection.execute(query)).mappings().all()
        await self._put_sessions(connection, [(event, dict(row)) for row in found])

    async def _put_sessions(
        self, connection: AsyncConnection, events: Sequence[tuple[EventType, Mapping[str, Any]]]
    ) -> None:
        if not events:
            return
        now = await database_now(connection)
        rows = [
            row
            for event, columns in events
            for row in self._rows(event, as_utc(columns["recorded_at"]), _told(columns), now)
        ]
        updated = {row["focus_session_id"] for row in rows if row["type"] == EventType.UPDATED}
        if updated:  # an update that waits is enough: a sink that is away gathers one for each session
            query = select(_waiting.sink, _waiting.focus_session_id).where(
                _waiting.focus_session_id.in_(updated),
                _waiting.type == EventType.UPDATED.value,
                _waiting.dead_since.is_(None),
            )
            there = {(sink, key, EventType.UPDATED.value) for sink, key in await connection.execute(query)}
            rows = [row for row in rows if (row["sink"], row["focus_session_id"], row["type"]) not in there]
        rows = await _with_differences(connection, rows)
        if rows:
            await connection.execute(insert(outbox), rows)

    def _rows(
        self, event: EventType, occurred_at: datetime, data: Mapping[str, Any], due_at: datetime
    ) -> list[dict[str, Any]]:
        payload = json.dumps(data, separators=(",", ":"))
        return [
            {
                "event_id": str(uuid4()),
                "sink": sink.value,
                "type": event.value,
                "focus_session_id": data.get("focus_session_id"),
                "user_id": data["user_id"],
                "occurred_at": occurred_at,
                "payload": payload,
                "next_attempt_at": due_at,
            }
            for sink, wanted in self._wanted.items()
            if event in wanted
        ]


NO_OUTBOX = Outbox()
"""Nobody is told anything."""


async def remove_events(connection: AsyncConnection, ids: Any) -> None:
    """ids: a query. By the primary key, because MariaDB goes through a small table and waits for all its locks."""
    found = list((await connection.execute(ids)).scalars())
    if found:
        await connection.execute(delete(outbox).where(_waiting.id.in_(found)))


async def _with_differences(connection: AsyncConnection, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same rows. Those for an endpoint that adds also say what is new; where nothing is, they are left out."""
    adding = [row for row in rows if row["sink"] == SinkName.LEGACY]
    if not adding:
        return rows
    payloads = [json.loads(row["payload"]) for row in adding]
    for row, data, new in zip(adding, payloads, await note_differences(connection, payloads), strict=True):
        if new is None:
            rows.remove(row)
        else:
            row["payload"] = json.dumps(data | {"new_focused": new[0], "new_unfocused": new[1]}, separators=(",", ":"))
    return rows


def _measured_s(record: FocusRecord) -> float:
    totals = record.totals
    return totals.focused_s + totals.unfocused_s + totals.unknown_s


def _told(columns: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _for_json(columns[name]) for name in TOLD}


def _for_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return as_utc(value).isoformat()
    return round(value, 3) if isinstance(value, float) else value

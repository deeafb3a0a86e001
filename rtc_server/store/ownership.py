"""Which server has a FocusSession: leases, and how a session changes its server.

Each server renews one lease, its own row in `rtc_servers`, by the database's clock. Whose lease has run out is taken
for dead, and its sessions are closed at their last known second. A learner who comes back takes a session along: its
fence goes up, and what the earlier server still writes changes nothing (`progress`).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from rtc_server.learner import Learner
from rtc_server.record import EndReason, FocusRecord
from rtc_server.store.database_clock import database_now
from rtc_server.store.outbox.outbox import NO_OUTBOX, Outbox
from rtc_server.store.own_row import record_of
from rtc_server.store.platform.day_removal import days_of
from rtc_server.store.platform.row_choice import lock_days
from rtc_server.store.platform.row_content import write_rows
from rtc_server.store.schema import focus_sessions, servers
from rtc_server.store.spans import stored_multiple_faces, stored_spans

RESUMABLE_ENDS = (EndReason.CRASH, EndReason.SHUTDOWN)
"""Ends that the learner did not ask for, after which the session may go on."""
OWNERLESS_S = 60.0
"""A version without leases saved every five seconds. An open row of it that is older than this was left behind."""
_CLOSED_AT_ONCE = 200
_FORGOTTEN_AFTER = timedelta(days=1)

_ours = focus_sessions.c


async def renew_lease(connection: AsyncConnection, server_id: str, lease_s: float) -> None:
    """From now on, for so long."""
    expires_at = await database_now(connection) + timedelta(seconds=lease_s)
    mine = servers.c.server_id == server_id
    renewed = await connection.execute(update(servers).where(mine).values(expires_at=expires_at))
    if not renewed.rowcount:
        await connection.execute(insert(servers).values(server_id=server_id, expires_at=expires_at))


async def give_up_lease(connection: AsyncConnection, server_id: str) -> None:
    """At an orderly end, once all of its sessions are closed."""
    await connection.execute(delete(servers).where(servers.c.server_id == server_id))


async def close_orphans(connection: AsyncConnection, outbox: Outbox = NO_OUTBOX) -> int:
    """Closes sessions of dead servers, at their last known second. Returns how many. Call it until there are none.

    Two servers that notice the same take turns: each session is closed once.
    """
    now = await database_now(connection)
    orphaned = _orphaned(now)
    columns = (_ours.focus_session_id, _ours.platform_row_id, _ours.user_id, _ours.module_id)
    found = (await connection.execute(select(*columns).where(orphaned).limit(_CLOSED_AT_ONCE))).all()
    if not found:
        await connection.execute(delete(servers).where(servers.c.expires_at < now - _FORGOTTEN_AFTER))
        return 0
    rows = {(row.platform_row_id, row.user_id, row.module_id) for row in found}
    await lock_days(connection, await days_of(connection, rows))  # first, as all do that write a day
    keys = [row.focus_session_id for row in found]
    closed = await _end(connection, and_(_ours.focus_session_id.in_(keys), orphaned), EndReason.CRASH, outbox)
    await write_rows(connection, rows)
    return closed


async def end_elsewhere(
    connection: AsyncConnection, records: Sequence[FocusRecord], outbox: Outbox = NO_OUTBOX
) -> None:
    """The newest wins: ends the sessions that these learners still have on other servers.

    records: the first of each new session.
    """
    learners = {record.learner: record.server_id for record in records if record.server_id is not None}
    if not learners:
        return
    elsewhere = [and_(_of(learner), _ours.server_id != server_id) for learner, server_id in learners.items()]
    users = _ours.user_id.in_([learner.user_id for learner in learners])
    await _end(connection, and_(users, _ours.ended_at.is_(None), or_(*elsewhere)), EndReason.REPLACED, outbox)


async def claim(
    connection: AsyncConnection,
    focus_session_id: str,
    learner: Learner,
    server_id: str,
    window_s: float,
    outbox: Outbox = NO_OUTBOX,
) -> FocusRecord | None:
    """Takes over a session of this learner. Returns what it holds, with the new fence; None if it may not go on.

    It may while its server is live, and after a crash or a shutdown for `window_s` from its last known second.
    """
    mine = _ours.focus_session_id == focus_session_id
    row = (await connection.execute(select(focus_sessions).where(mine, _of(learner)).with_for_update())).one_or_none()
    if row is None or row.end_reason not in (None, *RESUMABLE_ENDS):
        return None
    now = await database_now(connection)
    if row.recorded_at < now - timedelta(seconds=window_s) and not await _is_live(connection, row, now):
        return None
    fence = row.fence + 1
    await connection.execute(
        update(focus_sessions).where(mine).values(server_id=server_id, fence=fence, ended_at=None, end_reason=None)
    )
    if row.end_reason is not None:
        await outbox.put_continued(connection, focus_session_id)
    spans = await stored_spans(connection, focus_session_id)
    record = record_of(row, spans, await stored_multiple_faces(connection, focus_session_id))
    return replace(record, server_id=server_id, fence=fence, end_reason=None)


async def release(
    connection: AsyncConnection, focus_session_id: str, learner: Learner, server_id: str, outbox: Outbox = NO_OUTBOX
) -> None:
    """Closes a session of this learner that this server took over and does not have: whether it did was not known."""
    mine = and_(_ours.focus_session_id == focus_session_id, _of(learner), _ours.server_id == server_id)
    await _end(connection, and_(mine, _ours.ended_at.is_(None)), EndReason.CRASH, outbox)


async def fence_of(connection: AsyncConnection, focus_session_id: str) -> int | None:
    """None if it is not stored."""
    fence = await connection.scalar(select(_ours.fence).where(_ours.focus_session_id == focus_session_id))
    return None if fence is None else int(fence)


async def seconds_ahead(connection: AsyncConnection, learner: Learner) -> float:
    """By how much this learner's sessions, on any server, are ahead of real time: 0 where none is.

    A sender's clock may be a little ahead. Who begins anew at one server after the other is so only once.
    """
    now = await database_now(connection)
    recent = _ours.recorded_at > now - timedelta(seconds=OWNERLESS_S)
    query = select(_ours.started_at, _ours.focused_s + _ours.unfocused_s + _ours.unknown_s).where(_of(learner), recent)
    ends = [started_at + timedelta(seconds=measured_s) for started_at, measured_s in await connection.execute(query)]
    return float(max([0.0, *((end - now).total_seconds() for end in ends)]))


async def _end(connection: AsyncConnection, which: ColumnElement[bool], reason: EndReason, outbox: Outbox) -> int:
    """Closes these sessions at their last known second. Returns how many this call closed, and not another server."""
    locked = select(_ours.focus_session_id).where(which).with_for_update()
    keys = list((await connection.execute(locked)).scalars())
    if not keys:
        return 0
    await connection.execute(
        update(focus_sessions)
        .where(_ours.focus_session_id.in_(keys))
        .values(ended_at=_ours.recorded_at, end_reason=reason.value)
    )
    await outbox.put_ended(connection, keys)
    return len(keys)


def _of(learner: Learner) -> ColumnElement[bool]:
    section = _ours.section_id == learner.section_id if learner.section_id else _ours.section_id.is_(None)
    return and_(_ours.user_id == learner.user_id, _ours.module_id == learner.module_id, section)


def _orphaned(now: datetime) -> ColumnElement[bool]:
    live = select(servers.c.server_id).where(servers.c.expires_at >= now)
    left_behind = and_(_ours.server_id.is_(None), _ours.recorded_at < now - timedelta(seconds=OWNERLESS_S))
    return and_(_ours.ended_at.is_(None), or_(left_behind, _ours.server_id.not_in(live)))


async def _is_live(connection: AsyncConnection, row: Any, now: datetime) -> bool:
    lease = select(servers.c.server_id).where(servers.c.server_id == row.server_id, servers.c.expires_at >= now)
    return row.ended_at is None and await connection.scalar(lease) is not None

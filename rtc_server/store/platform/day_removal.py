"""Corrects the platform's rows when our sessions in them are removed."""

from collections.abc import Collection, Sequence

from sqlalchemy import and_, case, delete, false, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from rtc_server.store.platform.row_choice import DayKey
from rtc_server.store.platform.row_content import RowOwner
from rtc_server.store.schema import focus_sessions, platform_days, platform_rows

_ours, _days, _rows = focus_sessions.c, platform_days.c, platform_rows.c
_DAY_OWNER = tuple_(_days.platform_row_id, _days.user_id, _days.module_id)


async def days_of(connection: AsyncConnection, rows: Collection[RowOwner]) -> list[DayKey]:
    query = select(_days.user_id, _days.module_id, _days.day, _days.section_id).where(_DAY_OWNER.in_(list(rows)))
    return [DayKey(*row) for row in await connection.execute(query)]


async def note_removal(
    connection: AsyncConnection, focus_session_ids: Sequence[str], *, may_be_live: bool
) -> set[RowOwner]:
    """Adds the time of these sessions to the removed time of their days, so that the rows still include it.

    Leaves out sessions without an end if they `may_be_live`: they are written again, with all their time. Returns the
    rows of those. Call it before the sessions are removed.
    """
    live = _ours.ended_at.is_(None) if may_be_live else false()
    query = (
        select(
            _ours.platform_row_id,
            _ours.user_id,
            _ours.module_id,
            func.sum(case((live, 1), else_=0)).label("live"),
            *(func.sum(case((live, 0.0), else_=_ours[name])).label(name) for name in _SUMS),
        )
        .where(_ours.focus_session_id.in_(focus_session_ids))
        .group_by(_ours.platform_row_id, _ours.user_id, _ours.module_id)
    )
    kept_up = set()
    for row in (await connection.execute(query)).all():
        this_day = and_(
            _days.platform_row_id == row.platform_row_id,
            _days.user_id == row.user_id,
            _days.module_id == row.module_id,
        )
        added = {f"removed_{name}": _days[f"removed_{name}"] + getattr(row, name) for name in _SUMS}
        await connection.execute(update(platform_days).where(this_day).values(added))
        if row.live:
            kept_up.add((row.platform_row_id, row.user_id, row.module_id))
    return kept_up


_SUMS = ("focused_s", "unfocused_s", "unknown_s")


async def without_sessions(connection: AsyncConnection, rows: Collection[RowOwner]) -> set[RowOwner]:
    """The rows among these that have no session of ours any more."""
    owner = (_ours.platform_row_id, _ours.user_id, _ours.module_id)
    query = select(*owner).where(_ours.platform_row_id.in_({row_id for row_id, _, _ in rows})).distinct()
    pointed_at = {tuple(row) for row in await connection.execute(query)}
    return {row for row in rows if row not in pointed_at}


async def give_back_rows(connection: AsyncConnection, rows: Collection[RowOwner]) -> int:
    """Removes rows that we created and returns their number. An adopted row gets back what it held before."""
    adopted_days = select(platform_days).where(_DAY_OWNER.in_(list(rows)), _days.adopted)
    adopted = {(day.platform_row_id, day.user_id, day.module_id): day for day in await connection.execute(adopted_days)}
    row_owner = tuple_(_rows.id, _rows.user_id, _rows.module_id)
    for owner, day in adopted.items():
        held = {
            "total_time_seconds": day.adopted_total_seconds,
            "focused_time_seconds": day.adopted_focused_seconds,
            "unfocused_time_seconds": day.adopted_unfocused_seconds,
            "session_data": day.adopted_session_data,
        }
        await connection.execute(update(platform_rows).where(row_owner == owner).values(held))
    own = [row for row in rows if row not in adopted]
    if not own:
        return 0
    # `id IN` is implied by the rest, and lets every database go by the primary key.
    statement = delete(platform_rows).where(_rows.id.in_([row_id for row_id, _, _ in own]), row_owner.in_(own))
    return (await connection.execute(statement)).rowcount


async def forget_days(connection: AsyncConnection, rows: Collection[RowOwner]) -> None:
    """Forgets the days of rows without a session. A later session adopts the row with what it then holds."""
    if rows:
        await connection.execute(delete(platform_days).where(_DAY_OWNER.in_(list(rows))))

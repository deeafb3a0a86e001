"""Computes and writes the content of the platform's rows from our own tables.

A row holds what it held before us plus the sum of our sessions in it. The database computes that in the transaction
that changed a session. So writing it again, or a crash at any point, changes nothing.
"""

from collections.abc import Collection
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, Update, and_, bindparam, case, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from rtc_server.focus.state import Totals
from rtc_server.store.platform.platform_row import AdoptedSeconds, RowContent, measured_columns
from rtc_server.store.schema import focus_sessions, platform_days, platform_rows

RowOwner = tuple[int, int, int]
"""Ids of a row, its user and its module. The row's id alone is not enough: it may be used again."""

_ours = focus_sessions.c
_OWNER = (_ours.platform_row_id, _ours.user_id, _ours.module_id)


async def write_rows(connection: AsyncConnection, rows: Collection[RowOwner]) -> None:
    """Reads all in one statement. Rows without a session of ours are left out."""
    contents = await _contents(connection, rows)
    if not contents:
        return
    values = [{"id": owner[0], **measured_columns(content)} for owner, content in contents.items()]
    _, *changing = values[0]
    # Of a few lengths only, so that few statements are kept. What is said twice of a row is the same.
    values += [values[-1]] * ((1 << (len(values) - 1).bit_length()) - len(values))
    numbered = {f"{column}_{number}": value for number, row in enumerate(values) for column, value in row.items()}
    ids = {"ids": [row_id for row_id, _, _ in contents], "owners": list(contents)}
    await connection.execute(_update(len(values), tuple(changing)), numbered | ids)


@cache
def _update(count: int, changing: tuple[str, ...]) -> Update:
    """Of these columns of so many rows, which the parameters say."""
    columns = platform_rows.c
    numbers = [(number, bindparam(f"id_{number}", type_=columns.id.type)) for number in range(count)]
    return (
        update(platform_rows)
        # The second condition implies the first, which lets every database go by the primary key.
        .where(
            columns.id.in_(bindparam("ids", expanding=True)),
            tuple_(columns.id, columns.user_id, columns.module_id).in_(bindparam("owners", expanding=True)),
        )
        .values(
            {
                name: case(
                    *(
                        (columns.id == row_id, bindparam(f"{name}_{number}", type_=columns[name].type))
                        for number, row_id in numbers
                    )
                )
                for name in changing
            }
        )
    )


async def _contents(connection: AsyncConnection, rows: Collection[RowOwner]) -> dict[RowOwner, RowContent]:
    row_ids = list({row_id for row_id, _, _ in rows})
    read = await connection.execute(_query(), {"row_ids": row_ids})
    found = {(row.platform_row_id, row.user_id, row.module_id): row for row in read}
    return {owner: _content(row) for owner, row in found.items() if owner in rows}


@cache
def _query() -> Select[Any]:
    sums = (
        select(
            *_OWNER,
            func.sum(_ours.focused_s).label("focused_s"),
            func.sum(_ours.unfocused_s).label("unfocused_s"),
            func.sum(_ours.unknown_s).label("unknown_s"),
            func.sum(_ours.focused_stretches).label("focused_stretches"),
            func.sum(_ours.unfocused_stretches).label("unfocused_stretches"),
            func.max(_ours.recorded_at).label("latest"),
        )
        .where(_ours.platform_row_id.in_(bindparam("row_ids", expanding=True)))
        .group_by(*_OWNER)
        .subquery()
    )
    # Also selects the session that was recorded last. If two have the same time, the one with the greater id is read
    # last, and counts.
    return (
        select(
            sums,
            _ours.focus_session_id,
            _ours.policy,
            _ours.end_reason,
            _ours.recorded_at,
            _ours.session_type,
            platform_days.c.day,
            *(platform_days.c[f"adopted_{name}_seconds"] for name in ("total", "focused", "unfocused")),
            *(platform_days.c[f"removed_{name}_s"] for name in ("focused", "unfocused", "unknown")),
        )
        .select_from(sums)
        .join(
            focus_sessions,
            and_(
                _ours.platform_row_id == sums.c.platform_row_id,
                _ours.user_id == sums.c.user_id,
                _ours.module_id == sums.c.module_id,
                _ours.recorded_at == sums.c.latest,
            ),
        )
        .outerjoin(platform_days, _is_day_of(sums.c))
        .order_by(_ours.focus_session_id)
    )


def _is_day_of(columns: Any) -> ColumnElement[bool]:
    return and_(
        platform_days.c.platform_row_id == columns.platform_row_id,
        platform_days.c.user_id == columns.user_id,
        platform_days.c.module_id == columns.module_id,
    )


def _content(row: Row[Any]) -> RowContent:
    of_day = row.day is not None
    totals = Totals(
        row.focused_s + (row.removed_focused_s or 0.0),
        row.unfocused_s + (row.removed_unfocused_s or 0.0),
        row.unknown_s + (row.removed_unknown_s or 0.0),
        int(row.focused_stretches),
        int(row.unfocused_stretches),
    )
    return RowContent(
        totals=totals,
        focus_session_id=row.focus_session_id,
        policy=row.policy,
        end_reason=row.end_reason,
        recorded_at=row.recorded_at,
        # 'viewing', as the platform's own endpoint writes it for a whole day.
        session_type="viewing" if of_day else row.session_type,
        adopted=AdoptedSeconds(row.adopted_total_seconds, row.adopted_focused_seconds, row.adopted_unfocused_seconds)
        if of_day
        else AdoptedSeconds(),
    )

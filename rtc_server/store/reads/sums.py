"""Sums of sessions by module, section, day or learner.

Three parts make a sum: our sessions; what a row of the platform's held before our sessions were added to it; and the
rows that hold no session of ours. The time of sessions that were removed is in no sum.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    Integer,
    Select,
    cast,
    distinct,
    exists,
    func,
    literal,
    literal_column,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from rtc_server.store.platform.calendar_day import POSTGRESQL_ZONE
from rtc_server.store.reads.scope import foreign_rows, in_scope
from rtc_server.store.reads.terms import KEYS, By, Scope, Sum
from rtc_server.store.schema import MYSQL, focus_sessions, platform_days, platform_rows

_ours, _rows, _days = focus_sessions.c, platform_rows.c, platform_days.c
_ZERO: ColumnElement[int] = literal_column("0", Integer)
"""Written out: PostgreSQL does not know two parameters of the same value for the same expression."""


async def sums(
    connection: AsyncConnection,
    scope: Scope,
    by: By,
    limit: int,
    after: tuple[Any, ...] | None,
    *,
    min_learners: int = 0,
) -> list[Sum]:
    """At most `limit`, after that key. Groups of fewer learners than `min_learners` are left out."""
    key = KEYS[by]
    parts = union_all(*await _parts(connection, scope, key)).subquery("parts")
    keys = [parts.c[name] for name in key]
    measured = [func.sum(parts.c[name]).label(name) for name in ("sessions", "focused_s", "unfocused_s", "unknown_s")]
    learners = func.count(distinct(parts.c.user_id))
    query = select(*keys, learners.label("learners"), *measured).group_by(*keys)
    if after is not None:
        query = query.where(keys[0] < after[0] if by == "day" else tuple_(*keys) > after)
    if min_learners:
        query = query.having(learners >= min_learners)
    found = await connection.execute(query.order_by(*(one.desc() if by == "day" else one for one in keys)).limit(limit))
    rows = found.mappings().all()
    names = await _names(connection, scope, [row["user_id"] for row in rows]) if by == "learner" else {}
    return [_sum(row, key, names) for row in rows]


def _sum(row: Any, key: tuple[str, ...], names: Mapping[int, str | None]) -> Sum:
    found = {name: row[name] for name in key}
    if isinstance(found.get("day"), str):  # SQLite has no dates
        found["day"] = date.fromisoformat(found["day"])
    return Sum(
        learners=int(row["learners"]),
        sessions=int(row["sessions"]),
        focused_s=float(row["focused_s"]),
        unfocused_s=float(row["unfocused_s"]),
        unknown_s=float(row["unknown_s"]),
        display_name=names.get(found.get("user_id", 0)),
        **found,
    )


async def _parts(connection: AsyncConnection, scope: Scope, key: tuple[str, ...]) -> list[Select[Any]]:
    """Each grouped by the key and the learner already, so that little has to be put together."""
    # One statement for each module, so that each goes through its own part of the index and nothing else.
    parts = []
    for module_id in sorted(scope.modules):
        of_module = scope.of_module(module_id)
        identity = {"module_id": _ours.module_id, "section_id": _section(_ours.section_id), "user_id": _ours.user_id}
        if "day" in key:
            identity["day"] = await _day_of(connection, _ours.started_at)
        own = select(
            *_keys(identity, key),
            func.count().label("sessions"),
            *(func.sum(_ours[name]).label(name) for name in ("focused_s", "unfocused_s", "unknown_s")),
        ).where(in_scope(_ours, _ours.started_at, of_module))
        parts.append(_grouped(own, identity, key))
    parts.append(_adopted_time(scope, key))
    parts.append(await _platform_time(connection, scope, key))
    return parts


def _adopted_time(scope: Scope, key: tuple[str, ...]) -> Select[Any]:
    identity = {
        "module_id": _days.module_id,
        "section_id": _days.section_id,
        "user_id": _days.user_id,
        "day": _days.day,
    }
    owner = (_days.platform_row_id, _days.user_id, _days.module_id)
    there = tuple_(_rows.id, _rows.user_id, _rows.module_id) == tuple_(*owner)
    ours = exists().where(_ours.platform_row_id == owner[0], _ours.user_id == owner[1], _ours.module_id == owner[2])
    query = select(
        *_keys(identity, key),
        _ZERO.label("sessions"),
        func.sum(_days.adopted_focused_seconds).label("focused_s"),
        func.sum(_days.adopted_unfocused_seconds).label("unfocused_s"),
        _ZERO.label("unknown_s"),
    ).join_from(platform_days, platform_rows, there)
    return _grouped(query.where(in_scope(_days, _rows.created_at, scope), _days.adopted, ours), identity, key)


async def _platform_time(connection: AsyncConnection, scope: Scope, key: tuple[str, ...]) -> Select[Any]:
    identity = {"module_id": _rows.module_id, "section_id": _section(_rows.section_id), "user_id": _rows.user_id}
    if "day" in key:
        identity["day"] = await _day_of(connection, _rows.created_at)
    source, where = await foreign_rows(connection, scope)
    query = select(
        *_keys(identity, key),
        func.count().label("sessions"),
        func.coalesce(func.sum(_rows.focused_time_seconds), _ZERO).label("focused_s"),
        func.coalesce(func.sum(_rows.unfocused_time_seconds), _ZERO).label("unfocused_s"),
        _ZERO.label("unknown_s"),
    )
    return _grouped(query.select_from(source).where(where), identity, key)


def _keys(identity: dict[str, Any], key: tuple[str, ...]) -> list[Any]:
    """The key, and the learner in any case: learners are counted later."""
    return [identity[name].label(name) for name in dict.fromkeys((*key, "user_id"))]


def _grouped(query: Select[Any], identity: dict[str, Any], key: tuple[str, ...]) -> Select[Any]:
    return query.group_by(*(identity[name] for name in dict.fromkeys((*key, "user_id"))))


def _section(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.coalesce(column, _ZERO)


async def _day_of(connection: AsyncConnection, moment: ColumnElement[Any]) -> ColumnElement[Any]:
    """The day in the database's own time zone: see `calendar_day`, which finds it for one moment."""
    dialect = connection.dialect.name
    if dialect in MYSQL:
        local = func.convert_tz(moment, "+00:00", literal_column("@@global.time_zone"))
        return func.date(func.coalesce(local, moment))  # without a table of the zone it is NULL
    if dialect == "postgresql":
        zone = (await connection.get_raw_connection()).info[POSTGRESQL_ZONE]
        return cast(func.timezone(literal(zone, literal_execute=True), moment), Date)
    return func.date(moment)


async def _names(connection: AsyncConnection, scope: Scope, user_ids: list[int]) -> dict[int, str | None]:
    """Of each learner's latest session in these modules."""
    if not user_ids:
        return {}
    latest = []
    for user_id in user_ids:
        mine = select(_ours.user_id, _ours.display_name).where(_ours.user_id == user_id)
        mine = mine.where(_ours.module_id.in_(sorted(scope.modules)))
        latest.append(select(mine.order_by(_ours.started_at.desc()).limit(1).subquery()))
    return {row.user_id: row.display_name for row in await connection.execute(union_all(*latest))}

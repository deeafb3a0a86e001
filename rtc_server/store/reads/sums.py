"""Sums of sessions by module, section, day or learner.

Three parts make a sum: our sessions; what a row of the platform's held before our sessions were added to it; and the
rows that hold no session of ours. The time of sessions that were removed is in no sum.
"""

from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    Integer,
    Select,
    and_,
    bindparam,
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
from rtc_server.store.reads.scope import SHAPES, foreign_rows, in_scope, number, numbers, values
from rtc_server.store.reads.terms import KEYS, By, Scope, Sum
from rtc_server.store.schema import MYSQL, focus_sessions, platform_days, platform_rows

_ours, _rows, _days = focus_sessions.c, platform_rows.c, platform_days.c
_ZERO: ColumnElement[int] = literal_column("0", Integer)
"""Written out: PostgreSQL does not know two parameters of the same value for the same expression."""
DayOf = Callable[[ColumnElement[Any]], ColumnElement[Any]]


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
    zone = await _zone(connection) if by == "day" else ""
    query = _statement(by, scope.shape, after is not None, connection.dialect.name, zone)
    cursor = {_after(name): part for name, part in zip(KEYS[by], after or (), strict=False)}
    found = await connection.execute(query, values(scope, limit=limit, min_learners=min_learners, **cursor))
    rows = found.mappings().all()
    names = await _names(connection, scope, [row["user_id"] for row in rows]) if by == "learner" else {}
    return [_sum(row, KEYS[by], names) for row in rows]


@lru_cache(SHAPES)
def _statement(by: By, shape: Scope, goes_on: bool, dialect: str, zone: str) -> Select[Any]:
    """zone: of the database, for PostgreSQL."""
    key = KEYS[by]
    day_of = partial(_day_of, dialect=dialect, zone=zone)
    parts = union_all(*_parts(shape, key, day_of)).subquery("parts")
    keys = [parts.c[name] for name in key]
    measured = [func.sum(parts.c[name]).label(name) for name in ("sessions", "focused_s", "unfocused_s", "unknown_s")]
    learners = func.count(distinct(parts.c.user_id))
    query = select(*keys, learners.label("learners"), *measured).group_by(*keys)
    if goes_on and by == "day":
        query = query.where(keys[0] < bindparam(_after("day"), type_=Date))
    elif goes_on:
        query = query.where(tuple_(*keys) > tuple_(*(number(_after(name)) for name in key)))
    query = query.having(learners >= number("min_learners"))
    return query.order_by(*(one.desc() if by == "day" else one for one in keys)).limit(number("limit"))


def _after(name: str) -> str:
    return f"after_{name}"


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


def _parts(shape: Scope, key: tuple[str, ...], day_of: DayOf) -> list[Select[Any]]:
    """Each grouped by the key and the learner already, so that little has to be put together."""
    identity = {"module_id": _ours.module_id, "section_id": _section(_ours.section_id), "user_id": _ours.user_id}
    if "day" in key:
        identity["day"] = day_of(_ours.started_at)
    own = select(
        *_keys(identity, key),
        func.count().label("sessions"),
        *(func.sum(_ours[name]).label(name) for name in ("focused_s", "unfocused_s", "unknown_s")),
    )
    # One statement for each module, so that each goes through its own part of the index and nothing else.
    each = [own.where(in_scope(_ours, _ours.started_at, shape.of_module(module))) for module in sorted(shape.modules)]
    parts = [_grouped(one, identity, key) for one in each]
    return [*parts, _adopted_time(shape, key), _platform_time(shape, key, day_of)]


def _adopted_time(shape: Scope, key: tuple[str, ...]) -> Select[Any]:
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
    return _grouped(query.where(in_scope(_days, _rows.created_at, shape), _days.adopted, ours), identity, key)


def _platform_time(shape: Scope, key: tuple[str, ...], day_of: DayOf) -> Select[Any]:
    identity = {"module_id": _rows.module_id, "section_id": _section(_rows.section_id), "user_id": _rows.user_id}
    if "day" in key:
        identity["day"] = day_of(_rows.created_at)
    source, where = foreign_rows(shape)
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


def _day_of(moment: ColumnElement[Any], *, dialect: str, zone: str) -> ColumnElement[Any]:
    """The day in the database's own time zone: see `calendar_day`, which finds it for one moment."""
    if dialect in MYSQL:
        local = func.convert_tz(moment, "+00:00", literal_column("@@global.time_zone"))
        return func.date(func.coalesce(local, moment))  # without a table of the zone it is NULL
    if dialect == "postgresql":
        return cast(func.timezone(literal(zone, literal_execute=True), moment), Date)
    return func.date(moment)


async def _zone(connection: AsyncConnection) -> str:
    """PostgreSQL's. Other databases know theirs in a statement."""
    if connection.dialect.name != "postgresql":
        return ""
    return str((await connection.get_raw_connection()).info[POSTGRESQL_ZONE])


async def _names(connection: AsyncConnection, scope: Scope, user_ids: list[int]) -> dict[int, str | None]:
    """Of each learner's latest session in these modules."""
    if not user_ids:
        return {}
    found = await connection.execute(_names_statement(), values(scope, user_ids=user_ids))
    return {row.user_id: row.display_name for row in found}


@lru_cache(1)
def _names_statement() -> Select[Any]:
    theirs = and_(_ours.module_id.in_(numbers("modules")), _ours.user_id.in_(numbers("user_ids")))
    latest = select(_ours.module_id, _ours.user_id, func.max(_ours.started_at).label("at")).where(theirs)
    at = latest.group_by(_ours.module_id, _ours.user_id).subquery("latest")
    columns = (_ours.module_id, _ours.user_id, _ours.started_at)
    is_latest = and_(*(one == other for one, other in zip(columns, at.c, strict=True)))
    return select(_ours.user_id, _ours.display_name).join(at, is_latest).order_by(_ours.started_at)

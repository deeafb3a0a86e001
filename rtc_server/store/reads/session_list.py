"""Lists of sessions, page by page: ours, newest first, then the rows that only the platform wrote.

A page begins where the last one ended (keyset): page 1000 costs as much as the first, and a session that begins
meanwhile moves nothing.
"""

from dataclasses import asdict
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from rtc_server.store.reads.scope import SHAPES, foreign_rows, in_scope, moment, number, values
from rtc_server.store.reads.terms import Scope, SessionCursor, SessionSummary
from rtc_server.store.schema import MYSQL, as_utc, focus_sessions, platform_rows

_ours = focus_sessions.c
_rows = platform_rows.c


# In the order of SessionSummary's fields, all but the first.
_SUMMARY_COLUMNS = [_ours[name] for name in SessionSummary.__dataclass_fields__ if name in _ours]


async def own_sessions(
    connection: AsyncConnection, scope: Scope, limit: int, after: SessionCursor | None
) -> list[SessionSummary]:
    """At most `limit`, newest first, after that entry."""
    cursor = {} if after is None else asdict(after)
    found = await connection.execute(_own_page(scope.shape, after is not None), values(scope, limit=limit, **cursor))
    return [SessionSummary("session", *row) for row in found]


async def platform_only_rows(
    connection: AsyncConnection, scope: Scope, limit: int, before_id: int | None
) -> list[SessionSummary]:
    """At most `limit`, by descending id, of those with a smaller id."""
    if scope.live:
        return []
    query = _platform_page(scope.shape, before_id is not None)
    found = await connection.execute(query, values(scope, limit=limit, before_id=before_id))
    return [_of_platform(row) for row in found.all()]


@lru_cache(SHAPES)
def _own_page(shape: Scope, goes_on: bool) -> Select[Any]:
    page = _live_ids(shape, goes_on) if shape.live else _ids(shape, goes_on)
    query = select(*_SUMMARY_COLUMNS).join(page, page.c.focus_session_id == _ours.focus_session_id)
    return query.order_by(_ours.started_at.desc(), _ours.focus_session_id.desc())


@lru_cache(SHAPES)
def _platform_page(shape: Scope, goes_on: bool) -> Select[Any]:
    source, where = foreign_rows(shape)
    columns = (_rows.id, _rows.user_id, _rows.module_id, _rows.section_id, _rows.created_at, _rows.last_updated)
    measured = (_rows.focused_time_seconds, _rows.unfocused_time_seconds)
    query = select(*columns, *measured).select_from(source).where(where)
    if goes_on:
        query = query.where(_rows.id < number("before_id"))
    return query.order_by(_rows.id.desc()).limit(number("limit"))


def _ids(shape: Scope, goes_on: bool) -> Any:
    """Ids of the page: the newest of each module, which an index gives in order, and of these the newest."""
    each = [_newest(_page(shape.of_module(module), goes_on)).subquery() for module in sorted(shape.modules)]
    if len(each) == 1:
        return each[0]
    together = union_all(*(select(one) for one in each)).subquery()
    newest = select(together).order_by(together.c.started_at.desc(), together.c.focus_session_id.desc())
    return newest.limit(number("limit")).subquery()


def _live_ids(shape: Scope, goes_on: bool) -> Any:
    """Live sessions are few. Without the hint MariaDB goes through all of a module's, looking for them."""
    query = _page(shape, goes_on).where(_ours.ended_at.is_(None))
    for dialect in MYSQL:
        query = query.with_hint(focus_sessions, "USE INDEX (rtc_focus_sessions_open)", dialect)
    return _newest(query).subquery()


def _page(shape: Scope, goes_on: bool) -> Select[Any]:
    query = select(_ours.focus_session_id, _ours.started_at).where(in_scope(_ours, _ours.started_at, shape))
    if shape.live is False:
        query = query.where(_ours.ended_at.is_not(None))
    return query.where(_older()) if goes_on else query


def _older() -> ColumnElement[bool]:
    # The first half is implied by the second, and lets an index begin there.
    started_at = moment("started_at")
    earlier = or_(_ours.started_at < started_at, _ours.focus_session_id < bindparam("focus_session_id"))
    return and_(_ours.started_at <= started_at, earlier)


def _newest(query: Select[Any]) -> Select[Any]:
    return query.order_by(_ours.started_at.desc(), _ours.focus_session_id.desc()).limit(number("limit"))


def _of_platform(row: Any) -> SessionSummary:
    return SessionSummary(
        source="platform",
        focus_session_id=None,
        platform_row_id=row.id,
        user_id=row.user_id,
        module_id=row.module_id,
        section_id=row.section_id or None,
        started_at=as_utc(row.created_at),
        recorded_at=as_utc(row.last_updated),
        focused_s=float(row.focused_time_seconds or 0),
        unfocused_s=float(row.unfocused_time_seconds or 0),
    )

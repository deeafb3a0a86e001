"""A scope in SQL. Every query of this room begins with one."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, or_, select, union
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.selectable import FromClause

from rtc_server.store.platform.catalogue import seen_up_to
from rtc_server.store.reads.terms import Scope
from rtc_server.store.schema import focus_sessions, platform_only, platform_rows


def in_scope(columns: Any, started_at: ColumnElement[datetime], scope: Scope) -> ColumnElement[bool]:
    """columns: of a table with user, module and section."""
    conditions: list[ColumnElement[bool]] = []
    # Equality where there is one module: only then can an index give the rows in order.
    one = next(iter(scope.modules)) if len(scope.modules) == 1 else None
    conditions.append(columns.module_id == one if one is not None else columns.module_id.in_(sorted(scope.modules)))
    if scope.user_id is not None:
        conditions.append(columns.user_id == scope.user_id)
    if scope.section_id == 0:
        conditions.append(or_(columns.section_id.is_(None), columns.section_id == 0))
    elif scope.section_id is not None:
        conditions.append(columns.section_id == scope.section_id)
    if scope.begins is not None:
        conditions.append(started_at >= scope.begins)
    if scope.ends is not None:
        conditions.append(started_at < scope.ends)
    return and_(*conditions)


async def foreign_rows(connection: AsyncConnection, scope: Scope) -> tuple[FromClause, ColumnElement[bool]]:
    """Rows of the platform's table that hold no session of ours: what to select from, and where.

    A learner's are found by the platform's own index; those of a module by ours, and the latest by their ids.
    """
    rows, ours = platform_rows.c, focus_sessions.c
    pointed_at = exists().where(
        ours.platform_row_id == rows.id, ours.user_id == rows.user_id, ours.module_id == rows.module_id
    )
    where = and_(in_scope(rows, rows.created_at, scope), ~pointed_at)
    if scope.user_id is not None:
        return platform_rows, where
    modules = sorted(scope.modules)
    noted = select(platform_only.c.platform_row_id.label("id")).where(platform_only.c.module_id.in_(modules))
    latest = select(rows.id).where(rows.id > await seen_up_to(connection), rows.module_id.in_(modules))
    candidates = union(noted, latest).subquery("candidates")
    return candidates.join(platform_rows, candidates.c.id == rows.id), where

"""A scope in SQL. Every query of this room begins with one.

To put a statement together takes milliseconds of the event loop. So each is made once for a shape, with parameters
instead of values, and kept.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, BindParameter, ColumnElement, and_, bindparam, exists, func, or_, select, union
from sqlalchemy.sql.selectable import FromClause

from rtc_server.store.reads.terms import Scope
from rtc_server.store.schema import UtcDateTime, focus_sessions, platform_only, platform_rows, platform_seen

SHAPES = 256
"""Statements that are kept, of each kind."""


def values(scope: Scope, **more: Any) -> dict[str, Any]:
    """Of the parameters that a statement for the scope's shape has. more: of the statement's own."""
    modules = sorted(scope.modules)
    each = {_module(number): module_id for number, module_id in enumerate(modules)}
    named = {name: getattr(scope, name) for name in ("user_id", "section_id", "begins", "ends")}
    return {"modules": modules, **each, **named, **more}


def number(name: str) -> BindParameter[int]:
    """A parameter. Its type is said, because the platform's columns are smaller than ours."""
    return bindparam(name, type_=BigInteger)


def moment(name: str) -> BindParameter[datetime]:
    return bindparam(name, type_=UtcDateTime)


def numbers(name: str) -> BindParameter[Any]:
    """A parameter for IN."""
    return bindparam(name, type_=BigInteger, expanding=True)


def in_scope(columns: Any, started_at: ColumnElement[datetime], shape: Scope) -> ColumnElement[bool]:
    """columns: of a table with user, module and section."""
    conditions: list[ColumnElement[bool]] = [_in_modules(columns.module_id, shape)]
    if shape.user_id is not None:
        conditions.append(columns.user_id == number("user_id"))
    if shape.section_id == 0:
        conditions.append(or_(columns.section_id.is_(None), columns.section_id == 0))
    elif shape.section_id is not None:
        conditions.append(columns.section_id == number("section_id"))
    if shape.begins is not None:
        conditions.append(started_at >= moment("begins"))
    if shape.ends is not None:
        conditions.append(started_at < moment("ends"))
    return and_(*conditions)


def _in_modules(module_id: ColumnElement[int], shape: Scope) -> ColumnElement[bool]:
    """Equality where there is one module: only then can an index give the rows in order."""
    if len(shape.modules) == 1:
        return module_id == number(_module(next(iter(shape.modules))))
    return module_id.in_(numbers("modules"))


def _module(number: int) -> str:
    return f"module_{number}"


def foreign_rows(shape: Scope) -> tuple[FromClause, ColumnElement[bool]]:
    """Rows of the platform's table that hold no session of ours: what to select from, and where.

    A learner's are found by the platform's own index; those of a module by ours, and the latest by their ids.
    """
    rows, ours = platform_rows.c, focus_sessions.c
    pointed_at = exists().where(
        ours.platform_row_id == rows.id, ours.user_id == rows.user_id, ours.module_id == rows.module_id
    )
    where = and_(in_scope(rows, rows.created_at, shape), ~pointed_at)
    if shape.user_id is not None:
        return platform_rows, where
    noted = select(platform_only.c.platform_row_id.label("id")).where(_in_modules(platform_only.c.module_id, shape))
    seen = func.coalesce(select(platform_seen.c.row_id).scalar_subquery(), 0)
    latest = select(rows.id).where(rows.id > seen, _in_modules(rows.module_id, shape))
    candidates = union(noted, latest).subquery("candidates")
    return candidates.join(platform_rows, candidates.c.id == rows.id), where

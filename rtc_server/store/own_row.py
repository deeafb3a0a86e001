"""One FocusSession's row in our own table: how it is locked, and written as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from pydantic import TypeAdapter
from sqlalchemy import Row, Select, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from rtc_server.focus.state import Span, Totals
from rtc_server.learner import Learner
from rtc_server.record import FocusRecord, Resumption
from rtc_server.store.platform.platform_row import identity_columns
from rtc_server.store.progress import StoredProgress
from rtc_server.store.schema import focus_sessions
from rtc_server.store.upsert import upsert


@dataclass(frozen=True, slots=True)
class _Versioned:
    """A resumption whose fields change gets the next version, unless the new ones have defaults."""

    version: Literal[1]
    resumption: Resumption


_VERSIONED = TypeAdapter(_Versioned)
_READ_OTHERWISE = ("learner", "totals", "spans", "multiple_faces", "resumption")


async def lock_progress(connection: AsyncConnection, focus_session_ids: Sequence[str]) -> dict[str, StoredProgress]:
    """What is stored of these sessions, which stay locked until the transaction ends. By id; without those not stored.

    It waits for a commit of another server that has not finished.
    """
    rows = await connection.execute(_locking(), {"ids": focus_session_ids})
    return {row.focus_session_id: StoredProgress(*row[1:]) for row in rows}


@cache
def _locking() -> Select[Any]:
    columns = (focus_sessions.c[name] for name in ("focus_session_id", *StoredProgress._fields))
    query = select(*columns).where(focus_sessions.c.focus_session_id.in_(bindparam("ids", expanding=True)))
    # Of a small table MariaDB would read all rows, and wait for those that others have locked.
    query = query.with_hint(focus_sessions, "FORCE INDEX (PRIMARY)", "mysql")
    query = query.with_hint(focus_sessions, "FORCE INDEX (PRIMARY)", "mariadb")
    return query.with_for_update()


async def write_own_rows(connection: AsyncConnection, rows: Sequence[tuple[FocusRecord, int]]) -> None:
    """rows: each with the id of the platform's row that includes its time."""
    await connection.execute(
        upsert(focus_sessions, connection.dialect.name),
        [own_columns(record) | {"platform_row_id": row_id} for record, row_id in rows],
    )


def record_of(row: Row[Any], spans: tuple[Span, ...], multiple_faces: tuple[tuple[float, float], ...]) -> FocusRecord:
    """row: all columns of `rtc_focus_sessions`."""
    columns = row._mapping  # noqa: SLF001 - SQLAlchemy documents it for a row's names
    return FocusRecord(
        learner=Learner(row.user_id, row.module_id, row.section_id),
        totals=Totals(**{name: columns[name] for name in Totals.__dataclass_fields__}),
        spans=spans,
        multiple_faces=multiple_faces,
        resumption=_resumption(row.resumption),
        **{name: columns[name] for name in FocusRecord.__dataclass_fields__ if name not in _READ_OTHERWISE},
    )


def _resumption_text(resumption: Resumption | None) -> str | None:
    return None if resumption is None else _VERSIONED.dump_json(_Versioned(1, resumption)).decode()


def _resumption(text: str | None) -> Resumption | None:
    """None where there is none, or it is of a version that is not known here: the rest of a record is enough."""
    if text is None:
        return None
    try:
        return _VERSIONED.validate_json(text).resumption
    except ValueError:
        return None


def own_columns(record: FocusRecord) -> dict[str, object]:
    """What a record says, by column: all but the id of the platform's row."""
    totals = record.totals
    return {
        "focus_session_id": record.focus_session_id,
        **identity_columns(record.learner),
        "policy": record.policy,
        "session_type": record.session_type,
        "started_at": record.started_at,
        "recorded_at": record.recorded_at,
        "ended_at": record.recorded_at if record.end_reason is not None else None,
        "end_reason": record.end_reason,
        "focused_s": totals.focused_s,
        "unfocused_s": totals.unfocused_s,
        "unknown_s": totals.unknown_s,
        "multiple_faces_s": totals.multiple_faces_s,
        "focused_stretches": totals.focused_stretches,
        "unfocused_stretches": totals.unfocused_stretches,
        "consent_at": record.consent_at,
        "calibration_error_deg": record.calibration_error_deg,
        "calibration_quality": record.calibration_quality,
        "merged_spans": record.merged_spans,
        "server_id": record.server_id,
        "fence": record.fence,
        "display_name": record.display_name,
        "resumption": _resumption_text(record.resumption),
    }

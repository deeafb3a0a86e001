"""The API's answers as bytes, made from what is stored. It knows no HTTP: it runs in the reading process."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, Protocol

from rtc_server.store.reads import terms as stored
from rtc_server.store.reads.terms import Cursor, PlatformCursor, Scope, SessionCursor, SessionSummary
from rtc_server.web.api.schemas import Session, Sessions, Sum, Sums

ExportForm = Literal["csv", "ndjson"]
COLUMNS = tuple(Session.model_fields)
"""Of an export as CSV."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that begins so for a formula."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class StoredReads(Protocol):
    async def sessions(
        self, scope: Scope, limit: int, after: Cursor | None
    ) -> tuple[list[SessionSummary], Cursor | None]:
        """Raises StoreUnavailable."""
        ...

    async def sums(
        self, scope: Scope, by: stored.By, limit: int, after: tuple[Any, ...] | None, *, min_learners: int
    ) -> list[stored.Sum]:
        """Raises StoreUnavailable."""
        ...


class Answers:
    """Each raises StoreUnavailable."""

    def __init__(self, reads: StoredReads) -> None:
        self._reads = reads

    async def sessions(self, scope: Scope, limit: int, cursor: str | None) -> bytes:
        """A page as JSON. cursor: of the form that SessionsQuery allows."""
        found, following = await self._reads.sessions(scope, limit, _cursor(cursor))
        sessions = [Session.model_validate(one) for one in found]
        return Sessions(sessions=sessions, next=_written_cursor(following)).model_dump_json().encode()

    async def sums(self, scope: Scope, by: stored.By, limit: int, cursor: str | None, min_learners: int) -> bytes:
        """A page as JSON. cursor: of the form that SumsQuery allows."""
        found = await self._reads.sums(scope, by, limit + 1, _key(by, cursor), min_learners=min_learners)
        page = found[:limit]
        following = _written_key(by, page[-1]) if len(found) > limit else None
        return Sums(sums=[_described(one) for one in page], next=following).model_dump_json().encode()

    async def export_page(
        self, form: ExportForm, scope: Scope, limit: int, after: Cursor | None
    ) -> tuple[bytes, Cursor | None]:
        """Lines of an export, and where the next ones begin; None after the last."""
        found, following = await self._reads.sessions(scope, limit, after)
        sessions = [Session.model_validate(one) for one in found]
        if form == "csv":
            return csv_lines([_cells(one) for one in sessions]), following
        return b"".join(one.model_dump_json().encode() + b"\n" for one in sessions), following


def csv_lines(lines: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    return text.getvalue().encode()


def _cells(one: Session) -> list[object]:
    session = one.model_dump(mode="json")
    name = session["display_name"]
    if name is not None and name.startswith(_FORMULA):
        session["display_name"] = f"'{name}"
    return [session[column] for column in COLUMNS]


def _written_cursor(cursor: Cursor | None) -> str | None:
    if cursor is None:
        return None
    if isinstance(cursor, PlatformCursor):
        return f"p{cursor.row_id if cursor.row_id is not None else ''}"
    return f"s{(cursor.started_at - _EPOCH) // timedelta(microseconds=1)}_{cursor.focus_session_id}"


def _cursor(text: str | None) -> Cursor | None:
    if text is None:
        return None
    if text.startswith("p"):
        return PlatformCursor(int(text[1:]) if text[1:] else None)
    microseconds, _, focus_session_id = text[1:].partition("_")
    return SessionCursor(_EPOCH + timedelta(microseconds=int(microseconds)), focus_session_id)


def _described(one: stored.Sum) -> Sum:
    known_s = one.focused_s + one.unfocused_s
    return Sum(
        module_id=one.module_id,
        section_id=one.section_id,
        day=one.day,
        user_id=one.user_id,
        display_name=one.display_name,
        learners=one.learners,
        sessions=one.sessions,
        focused_s=one.focused_s,
        unfocused_s=one.unfocused_s,
        unknown_s=one.unknown_s,
        share=one.focused_s / known_s if known_s > 0 else None,
    )


def _written_key(by: stored.By, last: stored.Sum) -> str:
    """The key as numbers; a day as its number since 0001-01-01."""
    key = (getattr(last, name) for name in stored.KEYS[by])
    return ".".join(str(part.toordinal() if isinstance(part, date) else part) for part in key)


def _key(by: stored.By, cursor: str | None) -> tuple[Any, ...] | None:
    if cursor is None:
        return None
    first, _, second = cursor.partition(".")
    if by == "day":
        return (date.fromordinal(min(max(int(first), 1), date.max.toordinal())),)
    return (int(first), int(second or 0)) if by == "section" else (int(first),)

"""GET /focus-sessions/{id}: the stored data of a FocusSession, as scripts of platforms have read it from the start.

`/api/v1/sessions/{id}` says the same in the API's form.
"""

from dataclasses import asdict
from datetime import datetime

from aiohttp import web

from rtc_server.errors import MalformedRequest
from rtc_server.store.stored_session import PlatformRow, StoredSession
from rtc_server.web.server.requests import answer_options
from rtc_server.web.stored_sessions import StoredSessionReading

_LONGEST_NUMBER = 9
"""Most digits of a span's number: more than a session can have, and small enough for the column."""


class FocusSessionsEndpoint:
    def __init__(self, reading: StoredSessionReading) -> None:
        self._reading = reading

    def routes(self) -> list[web.RouteDef]:
        path = "/focus-sessions/{focus_session_id}"
        return [web.get(path, self._read), web.options(path, answer_options("GET", "HEAD"))]

    async def _read(self, request: web.Request) -> web.Response:
        stored = await self._reading.read(request, _spans_after)
        answer = _described(stored)
        answer["next"] = None
        if stored.spans_go_on:
            # Relative, because a proxy may have changed the address.
            answer["next"] = f"?spans_after={_spans_after(request) + len(stored.record.spans)}"
        return web.json_response(answer)


def _spans_after(request: web.Request) -> int:
    text = request.query.get("spans_after")
    if text is None:
        return -1
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER):
        raise MalformedRequest("`spans_after` must be the number of a span. Use the address in `next` without changes.")
    return int(text)


def _described(stored: StoredSession) -> dict[str, object]:
    """`row` has the names of the platform's columns; spans are seconds since the session began.

    `merged_spans` counts those that were merged into a neighbour, because there were too many.
    """
    record = stored.record
    return {
        "focus_session_id": record.focus_session_id,
        "started_at": record.started_at.isoformat(),
        "recorded_at": record.recorded_at.isoformat(),
        "ended_at": stored.ended_at.isoformat() if stored.ended_at is not None else None,
        "end_reason": record.end_reason,
        "policy": record.policy,
        "calibration_error_deg": record.calibration_error_deg,
        "calibration_quality": record.calibration_quality,
        "metrics": record.totals.metrics(),
        "spans": [
            {"start_s": span.start_s, "end_s": span.end_s, "state": span.state, "reason": span.reason}
            for span in record.spans
        ],
        "merged_spans": record.merged_spans,
        "multiple_faces": [{"start_s": start_s, "end_s": end_s} for start_s, end_s in record.multiple_faces],
        "row": _row(stored.row) if stored.row is not None else None,
    }


def _row(row: PlatformRow) -> dict[str, object]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(row).items()}

"""GET /api/v1/sessions/{focus_session_id}: one session with its spans."""

from dataclasses import asdict

from aiohttp import web

from rtc_server.store.stored_session import StoredSession
from rtc_server.web.api.openapi import Operation
from rtc_server.web.api.query import answer_with, query_of
from rtc_server.web.api.schemas import PlatformRow, SessionQuery, SessionWithSpans, SpanOut, Stretch
from rtc_server.web.server.requests import answer_options
from rtc_server.web.stored_sessions import StoredSessionReading

PATH = "/api/v1/sessions/{focus_session_id}"
OPERATION = Operation(
    "readSession",
    "One session with its spans, 500 at a time.",
    "get",
    PATH,
    path={"focus_session_id": {"type": "string", "format": "uuid"}},
    query=SessionQuery,
    answer=SessionWithSpans,
    problems=(404,),
)


class SessionEndpoint:
    def __init__(self, reading: StoredSessionReading) -> None:
        self._reading = reading

    def routes(self) -> list[web.RouteDef]:
        return [web.get(PATH, self._read), web.options(PATH, answer_options("GET", "HEAD"))]

    async def _read(self, request: web.Request) -> web.Response:
        stored = await self._reading.read(request, _spans_after)
        return answer_with(request, _described(stored, _spans_after(request)))


def _spans_after(request: web.Request) -> int:
    after = query_of(request, SessionQuery).spans_after
    return after if after is not None else -1


def _described(stored: StoredSession, after: int) -> SessionWithSpans:
    record, row = stored.record, stored.row
    return SessionWithSpans(
        source="session",
        focus_session_id=record.focus_session_id,
        platform_row_id=row.id if row is not None else None,
        user_id=record.learner.user_id,
        display_name=record.display_name,
        module_id=record.learner.module_id,
        section_id=record.learner.section_id,
        policy=record.policy,
        started_at=record.started_at,
        recorded_at=record.recorded_at,
        ended_at=stored.ended_at,
        end_reason=record.end_reason,
        **asdict(record.totals),
        calibration_quality=record.calibration_quality,
        calibration_error_deg=record.calibration_error_deg,
        spans=[SpanOut.model_validate(span) for span in record.spans],
        multiple_faces=[Stretch(start_s=start_s, end_s=end_s) for start_s, end_s in record.multiple_faces],
        merged_spans=record.merged_spans,
        next=after + len(record.spans) if stored.spans_go_on else None,
        row=PlatformRow.model_validate(row) if row is not None else None,
    )

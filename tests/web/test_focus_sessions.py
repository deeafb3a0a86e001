"""What is stored of a FocusSession, and who may read it."""

from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urljoin

import pytest

from rtc_server.errors import StoreUnavailable
from rtc_server.focus.state import FocusState, Reason, Span, Totals
from rtc_server.learner import Learner
from rtc_server.record import EndReason, FocusRecord
from rtc_server.store.stored_session import PlatformRow, StoredSession
from rtc_server.web.focus_sessions import FocusSessionsEndpoint
from rtc_server.web.stored_sessions import StoredSessionReading
from tests.web.endpoints import bearer

ID = "6f9619ff-8b86-d011-b42d-00cf4fc964ff"
PATH = f"/focus-sessions/{ID}"
LEARNER = Learner(7, 3, 2)
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STORED = StoredSession(
    record=FocusRecord(
        focus_session_id=ID,
        learner=LEARNER,
        started_at=MOMENT,
        recorded_at=MOMENT,
        session_type="viewing",
        totals=Totals(focused_s=3.0, unfocused_s=1.0, unknown_s=0.5, focused_stretches=1, unfocused_stretches=1),
        spans=(Span(0.0, 3.0, FocusState.FOCUSED, Reason.ON_SCREEN),),
        policy="reading/1",
        end_reason="stopped",
        calibration_error_deg=1.75,
        calibration_quality="good",
        multiple_faces=((1.0, 2.5),),
    ),
    ended_at=MOMENT,
    row=PlatformRow(11, 7, 3, 2, 4, "viewing", MOMENT, MOMENT, 3, 1, '{"focused_time": 3.0}'),
)


class MemoryStore:
    def __init__(self) -> None:
        self.stored = {ID: STORED}
        self.fault: Exception | None = None
        self.unsaved: dict[str, StoredSession] = {}
        self.save_fault: Exception | None = None

    async def settle(self, focus_session_id: str) -> None:
        if self.save_fault is not None:
            raise self.save_fault
        self.stored |= self.unsaved

    async def stored_session(self, focus_session_id: str, *, spans_after: int, max_spans: int) -> StoredSession | None:
        if self.fault is not None:
            raise self.fault
        stored = self.stored.get(focus_session_id)
        if stored is None:
            return None
        spans = stored.record.spans[spans_after + 1 :]
        record = replace(stored.record, spans=spans[:max_spans])
        return replace(stored, record=record, spans_go_on=len(spans) > max_spans)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def client(serve, reads, store):
    return await serve(FocusSessionsEndpoint(StoredSessionReading(reads, store, store, min_group=0)).routes())


async def test_the_learner_reads_row_and_spans(client):
    response = await client.get(PATH, headers=bearer(LEARNER))

    assert response.status == 200
    assert response.headers["Cache-Control"] == "no-store"
    stored = await response.json()
    assert stored["row"]["id"] == 11
    assert stored["row"]["focused_time_seconds"] + stored["row"]["unfocused_time_seconds"] == 4
    assert stored["row"]["created_at"] == "2026-01-02T03:04:05+00:00"
    assert stored["row"]["session_data"] == '{"focused_time": 3.0}'
    assert stored["spans"] == [{"start_s": 0.0, "end_s": 3.0, "state": "focused", "reason": "on_screen"}]
    assert stored["multiple_faces"] == [{"start_s": 1.0, "end_s": 2.5}]
    assert stored["metrics"]["focus_percentage"] == 75.0
    assert stored["end_reason"] == "stopped"
    assert (stored["calibration_error_deg"], stored["calibration_quality"]) == (1.75, "good")


async def test_a_session_that_lasts_has_no_end_and_may_have_no_row_nor_calibration(client, store):
    record = replace(STORED.record, calibration_error_deg=None, calibration_quality=None)
    store.stored[ID] = replace(STORED, record=record, ended_at=None, row=None)

    stored = await (
        await client.get(PATH.upper().replace("/FOCUS-SESSIONS", "/focus-sessions"), headers=bearer(LEARNER))
    ).json()

    assert stored["ended_at"] is stored["calibration_error_deg"] is stored["calibration_quality"] is None
    assert stored["row"] is None


async def test_spans_come_page_by_page(client, store):
    spans = tuple(Span(float(n), n + 1.0, FocusState.FOCUSED, Reason.ON_SCREEN) for n in range(1201))
    store.stored[ID] = replace(STORED, record=replace(STORED.record, spans=spans, merged_spans=7))

    page = await (await client.get(PATH, headers=bearer(LEARNER))).json()
    lengths, read = [len(page["spans"])], page["spans"]
    assert page["merged_spans"] == 7
    while page["next"] is not None:
        page = await (await client.get(urljoin(PATH, page["next"]), headers=bearer(LEARNER))).json()
        lengths.append(len(page["spans"]))
        read += page["spans"]

    assert lengths == [500, 500, 201]
    assert [span["start_s"] for span in read] == [span.start_s for span in spans]


@pytest.mark.parametrize("spans_after", ["", "-1", "a", "1.5", "٣", "1" * 10])
async def test_a_page_that_is_none_is_a_clear_error(client, spans_after):
    response = await client.get(PATH, params={"spans_after": spans_after}, headers=bearer(LEARNER))

    assert response.status == 400
    assert "next" in (await response.json())["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        bearer(Learner(99, 3), role="teacher"),
        bearer(Learner(99, 4), role="teacher", modules=[5, 3]),
        bearer(Learner(7, 3)),
        bearer(Learner(7, 4), modules=[3]),
    ],
    ids=["teacher", "teacher of several", "learner, in another section now", "learner of several modules"],
)
async def test_those_whose_token_names_the_module_read_it(client, headers):
    assert (await client.get(PATH, headers=headers)).status == 200


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "token_missing"),
        (bearer(Learner(8, 3, 2)), 403, "not_allowed"),
        (bearer(Learner(7, 4, 2)), 403, "not_allowed"),
        (bearer(Learner(7, 4), role="teacher"), 403, "not_allowed"),
    ],
    ids=["nobody", "another learner", "another module", "a teacher of another module"],
)
async def test_others_do_not(client, headers, status, code):
    response = await client.get(PATH, headers=headers)

    assert response.status == status
    assert (await response.json(content_type=None))["code"] == code


@pytest.mark.parametrize("identifier", ["00000000-0000-0000-0000-000000000000", "1", "..%2f..", "%00", "x" * 500])
async def test_what_does_not_exist_is_not_found(client, identifier):
    response = await client.get(f"/focus-sessions/{identifier}", headers=bearer(LEARNER))

    assert response.status == 404
    assert (await response.json(content_type=None))["code"] == "focus_session_unknown"


async def test_a_database_that_is_away_is_said_so(client, store):
    store.fault = StoreUnavailable("The database does not answer now.")

    response = await client.get(PATH, headers=bearer(LEARNER))

    assert response.status == 503
    assert int(response.headers["Retry-After"]) > 0


async def test_who_has_just_stopped_reads_the_end(client, store):
    """The page asks at once; the row is saved up to a save interval later by itself."""
    ended = replace(STORED, record=replace(STORED.record, end_reason=EndReason.STOPPED))
    store.stored = {}
    store.unsaved = {ID: ended}

    response = await client.get(PATH, headers=bearer(LEARNER))

    assert response.status == 200
    assert (await response.json())["end_reason"] == "stopped"


async def test_what_cannot_be_saved_now_is_answered_as_it_was(client, store):
    store.save_fault = StoreUnavailable("The database does not answer.")

    response = await client.get(PATH, headers=bearer(LEARNER))

    assert response.status == 200

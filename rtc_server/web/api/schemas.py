"""The form of the API's requests and answers. Requests are checked with these models, and OpenAPI describes them."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from rtc_server.focus.state import FocusState, Reason
from rtc_server.web.access.identifiers import Identifier, SectionIdentifier

MOST_IN_ONE_ANSWER = 200
"""Building an answer of so many takes about 2 ms of the event loop."""

_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:?\d\d)", re.ASCII)
_EARLIEST, _LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def _written_out(value: object) -> object:
    """pydantic would also take a number or a day."""
    if isinstance(value, str) and not _TIME.fullmatch(value):
        raise ValueError("write a time such as 2026-01-31T09:30:00Z, with an offset (write + as %2B)")
    return value


def _within_reason(value: datetime) -> datetime:
    """No session began before or after; databases cannot compare with every year."""
    return max(_EARLIEST, min(value, _LATEST))


Moment = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_within_reason)]
State = Literal["focused", "unfocused", "unknown"]


# -- requests


class _Query(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class SessionFilter(_Query):
    user_id: Identifier | None = Field(None, description="Sessions of this learner only.")
    module_id: Identifier | None = Field(None, description="Sessions of this module only.")
    section_id: SectionIdentifier | None = Field(None, description="Sessions of this section only; 0: without one.")
    state: Literal["live", "ended"] | None = Field(None, description="Those that last, or those that have ended.")
    begins: Moment | None = Field(None, alias="from", description="Began at this time or later.")
    ends: Moment | None = Field(None, alias="to", description="Began before this time.")


class SessionsQuery(SessionFilter):
    limit: int = Field(50, ge=1, le=MOST_IN_ONE_ANSWER, description="Most sessions in the answer.")
    cursor: str | None = Field(
        None,
        pattern=r"^(s[0-9]{1,17}_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|p[0-9]{0,9})$",
        description="`next` of the page before.",
    )


class SessionQuery(_Query):
    spans_after: int | None = Field(None, ge=0, le=10**9 - 1, description="`next` of the page of spans before.")


class SumsQuery(_Query):
    by: Literal["module", "section", "day", "learner"] = Field(description="What a sum is made for.")
    module_id: Identifier | None = Field(None, description="Sessions of this module only.")
    user_id: Identifier | None = Field(None, description="Sessions of this learner only.")
    begins: Moment | None = Field(None, alias="from", description="Sessions that began at this time or later.")
    ends: Moment | None = Field(None, alias="to", description="Sessions that began before this time.")
    limit: int = Field(100, ge=1, le=MOST_IN_ONE_ANSWER, description="Most sums in the answer.")
    cursor: str | None = Field(None, pattern=r"^[0-9]{1,9}(\.[0-9]{1,9})?$", description="`next` of the page before.")


class ClassQuery(_Query):
    module_id: Identifier | None = Field(None, description="The module; by default the token's.")


# -- answers


class _Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class Problem(BaseModel):
    """RFC 9457."""

    title: str
    status: int
    detail: str = Field(description="A sentence for people.")
    code: str = Field(description="For programs: it does not change.")


class Session(_Answer):
    """A learner's session, or a row that only the platform wrote."""

    source: Literal["session", "platform"] = Field(description="`platform`: a row that only the platform wrote.")
    focus_session_id: str | None = Field(description="Null for a row of the platform's.")
    platform_row_id: int | None = Field(description="Row of eye_tracking_sessions that includes its time.")
    user_id: int
    display_name: str | None
    module_id: int
    section_id: int | None
    policy: str | None = Field(description="Name and version of the rules that decided.")
    started_at: datetime
    recorded_at: datetime = Field(description="When these numbers were true.")
    ended_at: datetime | None
    end_reason: str | None
    focused_s: float = Field(description="Seconds with face and eyes turned to the screen.")
    unfocused_s: float
    unknown_s: float | None = Field(description="Seconds without a usable picture, or paused.")
    multiple_faces_s: float | None = Field(description="Seconds with a second person in the picture, in any state.")
    focused_stretches: int | None
    unfocused_stretches: int | None
    calibration_quality: str | None
    calibration_error_deg: float | None


class Sessions(_Answer):
    sessions: list[Session]
    next: str | None = Field(description="`cursor` of the next page; null after the last.")


class SpanOut(_Answer):
    start_s: float = Field(description="Seconds since the session began.")
    end_s: float
    state: FocusState
    reason: Reason


class Stretch(BaseModel):
    start_s: float
    end_s: float


class PlatformRow(_Answer):
    """The row in eye_tracking_sessions as it is now."""

    id: int
    user_id: int
    module_id: int
    section_id: int | None
    total_time_seconds: int | None
    session_type: str | None
    created_at: datetime
    last_updated: datetime
    focused_time_seconds: int | None
    unfocused_time_seconds: int | None
    session_data: str | None


class SessionWithSpans(Session):
    spans: list[SpanOut]
    multiple_faces: list[Stretch] = Field(description="When a second person was in the picture.")
    merged_spans: int = Field(description="Spans that were merged into a neighbour, because there were too many.")
    next: int | None = Field(description="`spans_after` of the next page of spans; null after the last.")
    row: PlatformRow | None


class Sum(_Answer):
    module_id: int | None = Field(description="Set where `by` is module or section.")
    section_id: int | None = Field(description="Set where `by` is section; 0: without one.")
    day: date | None = Field(description="Set where `by` is day; in the database's time zone.")
    user_id: int | None = Field(description="Set where `by` is learner.")
    display_name: str | None
    learners: int
    sessions: int
    focused_s: float
    unfocused_s: float
    unknown_s: float
    share: float | None = Field(description="Focused of focused and unfocused time; null while there is none.")


class Sums(BaseModel):
    sums: list[Sum]
    next: str | None = Field(description="`cursor` of the next page; null after the last.")


class RecentStretch(_Answer):
    start: datetime
    end: datetime
    state: FocusState
    reason: Reason


class LiveLearner(_Answer):
    focus_session_id: str
    user_id: int
    display_name: str | None
    module_id: int
    section_id: int | None
    state: FocusState
    reason: Reason
    since: datetime = Field(description="Since when this state.")
    paused: bool
    connected: bool = Field(description="False: left (with `end_reason`), or lost and may come back (without).")
    second_person: bool
    calibration_quality: str | None
    focused_s: float
    unfocused_s: float
    unknown_s: float
    started_at: datetime
    end_reason: str | None
    recent: list[RecentStretch] = Field(description="The last ten minutes.")


class ClassTotals(BaseModel):
    """Numbers of learners."""

    learners: int
    focused: int
    unfocused: int
    unknown: int
    gone: int = Field(description="Left within ten minutes; not in `learners`.")


class LiveClass(BaseModel):
    """Data of the event `class`."""

    at: datetime
    module_id: int
    learners: list[LiveLearner]
    totals: ClassTotals | None = Field(description="Null while fewer are there than RTC_MIN_GROUP.")

"""FocusRecords to store."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from rtc_server.focus.state import FocusState, Reason, Span, Totals
from rtc_server.learner import Learner
from rtc_server.record import FocusRecord
from rtc_server.store.engine import open_store
from rtc_server.store.spool.spool import Spool
from rtc_server.store.transactions import Transactions
from rtc_server.store.writer import FocusWriter

LEARNER = Learner(user_id=7, module_id=3, section_id=2)
STARTED_AT = datetime(2026, 3, 29, 0, 59, 30, 123456, tzinfo=UTC)
"""Half a minute before Europe's clocks are put forward."""


def span(start_s: float, end_s: float, reason: Reason = Reason.ON_SCREEN) -> Span:
    state = FocusState.FOCUSED if reason is Reason.ON_SCREEN else FocusState.UNFOCUSED
    return Span(start_s, end_s, state, reason)


def record(
    focus_session_id: str | None = None,
    *spans: Span,
    learner: Learner = LEARNER,
    at_s: float = 0.0,
    session_type: str = "viewing",
    end_reason: str | None = None,
    totals: Totals | None = None,
) -> FocusRecord:
    """A record whose totals are those of its spans, unless told otherwise."""
    length = {state: sum(one.end_s - one.start_s for one in spans if one.state is state) for state in FocusState}
    count = {state: sum(one.state is state for one in spans) for state in FocusState}
    return FocusRecord(
        focus_session_id=focus_session_id or str(uuid4()),
        learner=learner,
        started_at=STARTED_AT,
        recorded_at=STARTED_AT + timedelta(seconds=at_s),
        session_type=session_type,
        totals=totals
        or Totals(
            length[FocusState.FOCUSED],
            length[FocusState.UNFOCUSED],
            length[FocusState.UNKNOWN],
            count[FocusState.FOCUSED],
            count[FocusState.UNFOCUSED],
        ),
        spans=spans,
        policy="reading/1",
        end_reason=end_reason,
    )


class Measured:
    """A session that has this record, and no newer one. `superseded` once another server has it."""

    def __init__(self, newest: FocusRecord) -> None:
        self.id, self.end_reason = newest.focus_session_id, newest.end_reason
        self.superseded = False
        self._newest = newest

    def record(self) -> FocusRecord:
        return self._newest

    def supersede(self) -> None:
        self.superseded = True


def hand_over(writer: FocusWriter, newest: FocusRecord) -> Measured:
    """Has it written, as the newest of its session."""
    measured = Measured(newest)
    writer.put(measured)
    return measured


async def store_all(url: str, records: Sequence[FocusRecord], folder: Path) -> None:
    """folder: for the spool."""
    engine = await open_store(url)
    writer = FocusWriter(Transactions(engine, "session"), Spool(folder), 60.0)
    try:
        await writer.start()
        for one in records:
            hand_over(writer, one)
        for one in records:
            await writer.settle(one.focus_session_id)
    finally:
        await writer.close()
        await engine.dispose()

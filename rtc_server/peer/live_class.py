"""Who is here now, as a teacher sees it: each learner's state, since when, and the last ten minutes.

It is asked, and tells nobody by itself: what a reader does with it can cost no learner anything.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile

from rtc_server.analysis.focus_session import FocusSession
from rtc_server.focus.state import FocusState, Reason, Totals
from rtc_server.learner import Learner
from rtc_server.record import EndReason

RECENT_S = 600.0
"""How far a learner's strip goes back, and how long somebody who left stays in the list."""


@dataclass(frozen=True, slots=True)
class RecentStretch:
    """In one state for one reason. UTC, aware."""

    start: datetime
    end: datetime
    state: FocusState
    reason: Reason


@dataclass(frozen=True, slots=True)
class LiveLearner:
    focus_session_id: str
    learner: Learner
    display_name: str | None
    state: FocusState
    reason: Reason
    since: datetime
    """Since when this state. UTC, aware."""
    paused: bool
    connected: bool
    second_person: bool
    calibration_quality: str | None
    totals: Totals
    started_at: datetime
    recent: tuple[RecentStretch, ...]
    """The last ten minutes."""
    end_reason: EndReason | None = None
    """None while it lasts; also while the connection is lost and the learner may come back."""


class LiveClass:
    """Of one server. Use it from the event loop."""

    def __init__(self, present: Callable[[], Iterable[tuple[FocusSession, bool]]]) -> None:
        """present: the sessions that last, each with whether its learner is connected."""
        self._present = present
        self._left: deque[tuple[float, LiveLearner]] = deque()
        """Those who left, and when by the loop's clock; the earliest first."""
        self._forgotten: set[str] = set()
        """Sessions that were erased while their peers were still going."""

    def learners(self, module_id: int) -> list[LiveLearner]:
        """Of a module: who is here, and who left within ten minutes and has not come back."""
        here = [
            live_learner(session, connected=connected)
            for session, connected in self._present()
            if session.learner.module_id == module_id
        ]
        self._drop_old()
        back = {one.learner for one in here}
        gone = {one.learner: one for _, one in self._left if one.learner.module_id == module_id}
        return here + [one for one in gone.values() if one.learner not in back]

    def modules(self) -> set[int]:
        """Those with somebody in them, or who left within ten minutes."""
        here = {session.learner.module_id for session, _ in self._present()}
        return here | {one.learner.module_id for _, one in self._left}

    def left(self, session: FocusSession) -> None:
        """It has ended."""
        if session.id in self._forgotten:
            self._forgotten.discard(session.id)
        elif session.seen:
            now = asyncio.get_running_loop().time()
            self._left.append((now, live_learner(session, connected=False)))
        self._drop_old()

    def forget(self, user_id: int, going: Iterable[str]) -> None:
        """A learner's data is erased. going: sessions that have ended, and whose peers have not left yet."""
        self._left = deque((when, one) for when, one in self._left if one.learner.user_id != user_id)
        self._forgotten.update(going)

    def _drop_old(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._left and self._left[0][0] < now - RECENT_S:
            self._left.popleft()


def live_learner(session: FocusSession, *, connected: bool) -> LiveLearner:
    """Of a learner who is not connected nothing is known any more."""
    history = session.history()
    snapshot, now_s = history.snapshot, history.snapshot.media_time_s
    state, reason, since_s = FocusState.UNKNOWN, Reason.PAUSED if session.paused else Reason.NO_FRAMES, now_s
    if connected:
        state, reason = snapshot.state, snapshot.reason
        same = takewhile(lambda span: span.state is state, reversed(history.spans))
        since_s = min((span.start_s for span in same), default=now_s)
    return LiveLearner(
        focus_session_id=session.id,
        learner=session.learner,
        display_name=session.display_name,
        state=state,
        reason=reason,
        since=history.moment(since_s),
        paused=session.paused,
        connected=connected,
        second_person=connected and snapshot.second_person,
        calibration_quality=history.calibration_quality,
        totals=snapshot.totals,
        started_at=session.started_at,
        recent=tuple(
            RecentStretch(history.moment(span.start_s), history.moment(span.end_s), span.state, span.reason)
            for span in history.spans
            if span.end_s > now_s - RECENT_S
        ),
        end_reason=session.end_reason,
    )

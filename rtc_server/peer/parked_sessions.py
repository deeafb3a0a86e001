"""FocusSessions whose peer was lost: each waits for a while for another peer of its learner."""

import asyncio
from collections.abc import Callable, Iterator

from rtc_server.analysis.focus_session import FocusSession
from rtc_server.learner import Learner
from rtc_server.record import EndReason


class ParkedSessions:
    """Use it from the event loop. A FocusSession that is here is PARKED, and ends here unless it is taken."""

    def __init__(self, window_s: float, ended: Callable[[FocusSession], None]) -> None:
        """window_s: how long each may wait. ended: told of each that ends here."""
        self._window_s = window_s
        self._ended = ended
        self._waiting: dict[str, tuple[FocusSession, asyncio.TimerHandle]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[FocusSession]:
        return iter([session for session, _ in self._waiting.values()])

    def park(self, session: FocusSession) -> None:
        self.release(session)  # one of the same id, which another server had meanwhile
        expiry = asyncio.get_running_loop().call_later(self._window_s, self._expire, session.id)
        self._waiting[session.id] = session, expiry

    def find(self, focus_session_id: str) -> FocusSession | None:
        session, _ = self._waiting.get(focus_session_id, (None, None))
        return session

    def release(self, session: FocusSession) -> None:
        """A peer has taken it: it waits no longer, if it did."""
        _, expiry = self._waiting.pop(session.id, (None, None))
        if expiry is not None:
            expiry.cancel()

    def end_those_of(self, learner: Learner) -> None:
        """The learner has come back, and not to these."""
        for session in [session for session in self if session.learner == learner]:
            self._end(session, None)

    def end_of_user(self, user_id: int) -> list[str]:
        """The learner stops all of these. Returns their ids."""
        theirs = [session for session in self if session.learner.user_id == user_id]
        for session in theirs:
            self._end(session, EndReason.STOPPED)
        return [session.id for session in theirs]

    def end_all(self, reason: EndReason) -> None:
        for session in self:
            self._end(session, reason)

    def _expire(self, focus_session_id: str) -> None:
        session, _ = self._waiting[focus_session_id]
        self._end(session, None)

    def _end(self, session: FocusSession, reason: EndReason | None) -> None:
        self.release(session)
        session.end(reason)
        self._ended(session)

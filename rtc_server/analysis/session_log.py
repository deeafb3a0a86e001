"""Says in the log when FocusSessions start, go on and end, by their ids alone, and counts them."""

import logging

from rtc_server.focus.state import FocusState, Totals
from rtc_server.record import EndReason
from rtc_server.tally import Seconds, Tally

MOVED = "moved"
"""Another server has gone on with it, or has closed it."""

logger = logging.getLogger(__name__)


class SessionLog:
    """Of all FocusSessions since the server began. Use it from the event loop."""

    def __init__(self) -> None:
        self.started = 0
        self.resumed = 0
        self.ended_for = Tally((*EndReason, MOVED))
        self.measured = Seconds(FocusState)
        """Of sessions that have ended, or moved: what was measured on this server."""

    def start(self, focus_session_id: str) -> None:
        """Its first peer has been answered."""
        self.started += 1
        logger.info("session started", extra={"focus_session_id": focus_session_id})

    def resume(self, focus_session_id: str) -> None:
        """Another peer goes on with it."""
        self.resumed += 1
        logger.info("session goes on", extra={"focus_session_id": focus_session_id})

    def lose(self, focus_session_id: str) -> None:
        """Its connection is lost. It may go on for a while."""
        logger.info("session lost its connection", extra={"focus_session_id": focus_session_id})

    def end(self, focus_session_id: str, reason: str, measured: Totals) -> None:
        """reason: the value of an EndReason. measured: here."""
        self._measure(measured)
        self.ended_for.add(reason)
        logger.info("session ended", extra={"focus_session_id": focus_session_id, "end_reason": reason})

    def move(self, focus_session_id: str, measured: Totals) -> None:
        """measured: here."""
        self._measure(measured)
        self.ended_for.add(MOVED)
        logger.info("another server has the session now", extra={"focus_session_id": focus_session_id})

    def _measure(self, measured: Totals) -> None:
        self.measured.add(FocusState.FOCUSED, measured.focused_s)
        self.measured.add(FocusState.UNFOCUSED, measured.unfocused_s)
        self.measured.add(FocusState.UNKNOWN, measured.unknown_s)

"""What a learner's client and the server say to each other on the data channels, from greeting to goodbye."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol, TypedDict

from aiortc import RTCDataChannel

from rtc_server.analysis.focus_session import FocusSession
from rtc_server.channel.calibration_dialogue import CalibrationDialogue
from rtc_server.channel.data_channels import MetricsChannel
from rtc_server.channel.messages import (
    ClientMessage,
    Draining,
    FrameRateRequest,
    Metrics,
    MultipleFaces,
    Pause,
    RecentSpan,
    Resume,
    Stop,
    TrackingStarted,
    TrackingStopped,
    metrics_of,
)
from rtc_server.channel.update_text import update_text
from rtc_server.focus.state import FocusSnapshot
from rtc_server.record import EndReason

GREETING_WAIT_S = 0.25
"""From a client's first channel to the greeting on it: time to open `control` too."""
RECENT_S = 600.0
"""How far back the page's strip goes."""
MOST_RECENT_SPANS = 100
"""About 8 kB of one message."""


class _SoFar(TypedDict, total=False):
    metrics: Metrics
    spans: list[RecentSpan]


class ConversationEvents(Protocol):
    """What a client's messages lead to, at its peer."""

    @property
    def ending(self) -> bool:
        """Nothing that is said from now on counts."""
        ...

    def paused(self) -> None: ...
    def resumed(self) -> None: ...
    def calibrated(self) -> None:
        """A calibration was accepted: there is something to store."""

    def end(self, reason: EndReason) -> None:
        """The learner stops, or the client says too much."""


class Conversation:
    """One peer's. Use it from the event loop."""

    def __init__(
        self,
        session: FocusSession,
        continued: bool,
        events: ConversationEvents,
        now: Callable[[], float],
        messages_per_s: float,
    ) -> None:
        self._session = session
        self._continued = continued
        self._events = events
        self._channel = MetricsChannel(self._heard, lambda: events.end(EndReason.FAILED), now, messages_per_s)
        self._calibration = CalibrationDialogue(session, self._channel.tell)
        self._greeting: asyncio.TimerHandle | None = None
        self._greeted = False
        self._second_person_told = False

    def add(self, channel: RTCDataChannel) -> None:
        """Take a channel that the client made. It is greeted on `control`, or after a while on `focus`."""
        self._channel.add(channel)
        if self._channel.has_control:
            self._greet()
        elif self._channel.is_open and self._greeting is None:
            self._greeting = asyncio.get_running_loop().call_later(GREETING_WAIT_S, self._greet)

    def watch(self) -> None:
        """About once a second."""
        self._calibration.watch()

    def update(self, snapshot: FocusSnapshot, rtp_timestamp: int = 0, server_ms: float = 0.0) -> None:
        """Say what is known now. `rtp_timestamp` and `server_ms` are of the frame that led to it, if one did."""
        self._channel.update(update_text(snapshot, rtp_timestamp, server_ms))
        if snapshot.second_person != self._second_person_told and self._channel.has_control:
            self._second_person_told = snapshot.second_person
            self._channel.tell(
                MultipleFaces(present=snapshot.second_person, media_time_s=round(snapshot.media_time_s, 3))
            )

    def ask_for_pace(self, fps: float) -> None:
        if self._channel.has_control:
            self._channel.tell(FrameRateRequest(max_fps=fps))

    def say_goodbye(self, reason: EndReason, final: FocusSnapshot) -> None:
        if self._greeting is not None:
            self._greeting.cancel()
        if reason is EndReason.SHUTDOWN and self._channel.has_control:
            self._channel.tell(Draining())
        self._channel.tell(
            TrackingStopped(
                focus_session_id=self._session.id,
                reason=reason,
                metrics=metrics_of(final.totals, final.state),
                timestamp=datetime.now(UTC),
            )
        )

    def _greet(self) -> None:
        if self._greeted:
            return
        self._greeted = True
        self._channel.tell(
            TrackingStarted(
                focus_session_id=self._session.id,
                continued=self._continued,
                policy=self._session.policy,
                timestamp=datetime.now(UTC),
                **(self._so_far() if self._continued else {}),
            )
        )

    def _so_far(self) -> _SoFar:
        """A page that is new, or has missed something, goes on where the learner was."""
        history = self._session.history()
        snapshot = history.snapshot
        recent = [span for span in history.spans if span.end_s > snapshot.media_time_s - RECENT_S]
        return {
            "metrics": metrics_of(snapshot.totals, snapshot.state),
            "spans": [
                RecentSpan(round(span.start_s, 3), round(span.end_s, 3), span.state, span.reason)
                for span in recent[-MOST_RECENT_SPANS:]
            ],
        }

    def _heard(self, message: ClientMessage) -> None:
        if self._events.ending:
            # Another peer may have taken its FocusSession already.
            return
        if isinstance(message, Pause):
            if not self._session.paused:
                self._calibration.cancel()
                self._events.paused()
        elif isinstance(message, Resume):
            if self._session.paused:
                self._events.resumed()
        elif isinstance(message, Stop):
            self._events.end(EndReason.STOPPED)
        elif self._calibration.heard(message):
            self._events.calibrated()

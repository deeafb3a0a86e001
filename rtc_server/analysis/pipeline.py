"""One peer's frames become updates: all of it on an analysis thread, with one step back to the event loop."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from rtc_server.analysis.focus_session import FocusSession
from rtc_server.analysis.pace import AnalysisPace
from rtc_server.channel.update_text import update_text
from rtc_server.errors import DecodeFailed
from rtc_server.focus.observation import FaceObservation
from rtc_server.focus.state import FocusSnapshot
from rtc_server.frame import Codec, EncodedFrame
from rtc_server.record import FocusRecord

RECORD_EVERY_S = 1.0
MAX_FAILURES = 5
"""Analyses in a row that may fail before the peer is given up."""

logger = logging.getLogger(__name__)


class FrameAnalyser(Protocol):
    """What a peer sees of pixels. Called on an analysis thread, one call at a time."""

    def analyse(self, frames: Sequence[EncodedFrame], *, skip_if_still: bool = False) -> FaceObservation | None:
        """Decode all of `frames` in order and observe the newest.

        None: nothing could be shown, or with `skip_if_still` nothing has changed since the last observation.
        Raises DecodeFailed when nothing but a keyframe helps.
        """

    def close(self) -> None: ...


AnalyserFactory = Callable[[Codec], FrameAnalyser]


class PipelineEvents(Protocol):
    """What a pipeline tells its peer; on the analysis thread, so each must only pass it on."""

    def updated(self, snapshot: FocusSnapshot, text: str, record: FocusRecord | None) -> None: ...
    def keyframe_needed(self) -> None: ...
    def pace_changed(self, fps: float) -> None: ...
    def broken(self) -> None: ...


class Pipeline:
    """Implements `analysis_pool.FrameWork` for one peer."""

    def __init__(
        self,
        codec: Codec,
        make_analyser: AnalyserFactory,
        session: FocusSession,
        pace: AnalysisPace,
        events: PipelineEvents,
    ) -> None:
        self._codec = codec
        self._make_analyser = make_analyser
        self._analyser: FrameAnalyser | None = None
        self._session = session
        self._pace = pace
        self._events = events
        self._wanted_fps = pace.wanted_fps
        self._recorded = 0.0
        self._failures = 0
        self._calibrating = False

    def process(self, frames: list[EncodedFrame]) -> None:
        try:
            self._process(frames)
        except DecodeFailed:
            self._events.keyframe_needed()
        except Exception:
            logger.exception("an analysis failed; its analyser is replaced")
            self._failures += 1
            self.close()
            if self._failures >= MAX_FAILURES:
                self._events.broken()
            else:
                self._events.keyframe_needed()
        else:
            self._failures = 0

    def may_wait(self, frame: EncodedFrame) -> bool:
        """While the answer is stable. Where it changes, that is seen one picture later, 67 ms at 15 a second."""
        return self._may_skip(frame)

    def close(self) -> None:
        if self._analyser is not None:
            self._analyser.close()
            self._analyser = None

    def _process(self, frames: list[EncodedFrame]) -> None:
        if self._analyser is None:
            # Here, off the event loop: it allocates a decoder.
            self._analyser = self._make_analyser(self._codec)
        self._calibrating = self._session.calibrating
        observation = self._analyser.analyse(frames, skip_if_still=self._may_skip(frames[-1]))
        if observation is None:
            return
        snapshot = self._session.observe(observation)
        self._pace.observed(snapshot)
        now = time.monotonic()
        record = None
        if now - self._recorded >= RECORD_EVERY_S:
            self._recorded = now
            record = self._session.record()
        shown = next((f for f in reversed(frames) if f.media_time_s <= observation.media_time_s), frames[-1])
        self._events.updated(snapshot, update_text(snapshot, shown.rtp_timestamp, 1000 * (now - shown.arrived)), record)
        if self._pace.wanted_fps != self._wanted_fps:
            self._wanted_fps = self._pace.wanted_fps
            self._events.pace_changed(self._wanted_fps)

    def _may_skip(self, frame: EncodedFrame) -> bool:
        return self._pace.may_skip(frame.media_time_s) and not self._calibrating

"""One peer's frames become snapshots: all of it on an analysis thread."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from rtc_server.analysis.focus_session import FocusSession
from rtc_server.analysis.frame_counts import FrameCounts
from rtc_server.analysis.pace import AnalysisPace
from rtc_server.errors import DecodeFailed
from rtc_server.focus.observation import FaceObservation, Seen, StillPicture
from rtc_server.focus.state import FocusSnapshot
from rtc_server.frame import Codec, EncodedFrame

MAX_FAILURES = 5
"""Analyses in a row that may fail before the peer is given up."""

logger = logging.getLogger(__name__)


class Analyser(Protocol):
    """What a peer sees of pixels. Called on an analysis thread, one call at a time."""

    def analyse(self, frames: Sequence[EncodedFrame], *, skip_if_still: bool = False) -> Seen | None:
        """Decode what is needed of `frames`, in order, and observe the newest.

        None: nothing could be shown. StillPicture: with `skip_if_still`, nothing has changed since the last
        observation.
        Raises DecodeFailed when nothing but a keyframe helps.
        """

    def close(self) -> None: ...


AnalyserFactory = Callable[[Codec], Analyser]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of the frames of one turn."""

    snapshot: FocusSnapshot | None = None
    """None where no frame was observed."""
    rtp_timestamp: int = 0
    """Of the frame that it is about."""
    arrived: float = 0.0
    """Monotonic clock, seconds: when that frame's last packet came."""
    keyframe_needed: bool = False
    """Nothing but a keyframe can be decoded now."""
    wanted_fps: float | None = None
    """How many frames a second are worth sending from now on; None where that has not changed."""
    broken: bool = False
    """The analysis failed too often: give the peer up."""


class Pipeline:
    """Implements `analysis_pool.FrameWork` for one peer."""

    def __init__(
        self,
        codec: Codec,
        make_analyser: AnalyserFactory,
        session: FocusSession,
        pace: AnalysisPace,
        counts: FrameCounts | None = None,
    ) -> None:
        self._codec = codec
        self._make_analyser = make_analyser
        self._analyser: Analyser | None = None
        self._session = session
        self._pace = pace
        self._counts = counts or FrameCounts()
        self._wanted_fps = pace.wanted_fps
        self._failures = 0
        self._calibrating = False
        self._layered = False
        """The sender has said of a frame that no other layer builds on it."""

    def process(self, frames: list[EncodedFrame]) -> Outcome | None:
        try:
            outcome = self._process(frames)
        except DecodeFailed:
            self._counts.dropped.add("undecodable", len(frames))
            return Outcome(keyframe_needed=True)
        except Exception:
            logger.exception("an analysis failed; its analyser is replaced")
            self._counts.dropped.add("failed", len(frames))
            self._failures += 1
            self.close()
            return Outcome(broken=True) if self._failures >= MAX_FAILURES else Outcome(keyframe_needed=True)
        self._failures = 0
        return outcome

    def may_wait(self, frame: EncodedFrame) -> bool:
        """While the answer is stable, until something is to be said: a change is seen up to 0.13 s later.

        Where there are layers, a frame of the base does not wait: those that wait for it are not even decoded.
        """
        upper_layer = frame.layer.index > 0
        if self._calibrating or (self._layered and not upper_layer):
            return False
        return self._pace.may_wait(frame.media_time_s, upper_layer=upper_layer)

    def close(self) -> None:
        if self._analyser is not None:
            self._analyser.close()
            self._analyser = None

    def _process(self, frames: list[EncodedFrame]) -> Outcome | None:
        if self._analyser is None:
            # Here, off the event loop: it allocates a decoder.
            self._analyser = self._make_analyser(self._codec)
        self._calibrating = self._session.calibrating
        skip_if_still = not self._calibrating
        for frame in frames:
            skip_if_still = skip_if_still and self._pace.may_skip(frame.media_time_s)
            self._pace.received(frame.media_time_s)
            self._layered = self._layered or frame.layer.index > 0
        seen = self._analyser.analyse(frames, skip_if_still=skip_if_still)
        if seen is None or (isinstance(seen, StillPicture) and not self._is_news(seen)):
            return None
        snapshot = self._session.observe(seen)
        self._pace.told(snapshot, looked=isinstance(seen, FaceObservation))
        shown = next((f for f in reversed(frames) if f.media_time_s <= seen.media_time_s), frames[-1])
        return Outcome(
            snapshot,
            shown.rtp_timestamp,
            shown.arrived,
            wanted_fps=self._changed_pace(),
        )

    def _is_news(self, still: StillPicture) -> bool:
        return self._layered or self._pace.news_is_due(still.media_time_s)

    def _changed_pace(self) -> float | None:
        if self._pace.wanted_fps == self._wanted_fps:
            return None
        self._wanted_fps = self._pace.wanted_fps
        return self._wanted_fps

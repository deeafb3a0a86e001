"""What the server makes of one learner's pictures, without a clock: each is there at its own time."""

from bisect import bisect_right
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from bench.paced_page import PacedPage, Pictures
from rtc_server.analysis.focus_session import FocusSession
from rtc_server.analysis.pace import AnalysisPace
from rtc_server.analysis.pipeline import Pipeline
from rtc_server.focus.state import FocusSnapshot, FocusState, Span
from rtc_server.frame import EncodedFrame
from rtc_server.learner import Learner
from rtc_server.media.frame_analyser import FrameAnalyserFactory
from rtc_server.publisher.encoded_clip import (
    CLOCK_RATE,
    FRAMES_PER_S,
    KEYFRAME_EVERY_S,
    EncodedClip,
    EncodedPicture,
    Vp8Encoder,
)
from rtc_server.record import EndReason

TURNED_DEG = 4.0
"""More than the mesh's noise, and less than the first picture of a turn."""
OF_THE_TURN_S = 1.0
"""A stored change further from a turn is none of it."""


@dataclass(frozen=True, slots=True)
class Watched:
    clip: EncodedClip
    """What was sent."""
    told: tuple[tuple[float, FocusSnapshot], ...]
    """When each update was ready, in media time, and what it said."""
    spans: tuple[Span, ...]

    def told_after_s(self, turns_s: Sequence[float]) -> list[float]:
        """For each turn, from its first picture to the update that shows it."""
        return [self._told_after_s(turn_s) for turn_s in turns_s]

    def dated_s(self, turns_s: Sequence[float]) -> list[float]:
        """For each turn that was stored as a change, how much later than its first picture."""
        changes = [span.start_s for span in self.spans[1:]]
        nearest = [min((at - turn_s for at in changes), key=abs, default=float("inf")) for turn_s in turns_s]
        return [one for one in nearest if abs(one) < OF_THE_TURN_S]

    @property
    def focused_share(self) -> float:
        """Of the focused and unfocused time, as stored."""
        focused, unfocused = (
            sum(span.end_s - span.start_s for span in self.spans if span.state is state)
            for state in (FocusState.FOCUSED, FocusState.UNFOCUSED)
        )
        return focused / (focused + unfocused) if focused + unfocused else 0.0

    def _told_after_s(self, turn_s: float) -> float:
        first = bisect_right(self.told, turn_s - 1e-6, key=lambda one: one[1].media_time_s)
        before = self.told[first - 1][1].head
        for told_s, snapshot in self.told[first:]:
            if before and snapshot.head and abs(snapshot.head.yaw_deg - before.yaw_deg) > TURNED_DEG:
                return told_s - turn_s
        return float("inf")


class _Nowhere:
    """Takes what is to be stored."""

    def put(self, session: FocusSession) -> None:
        pass


def watched(pictures: Pictures, page: PacedPage | None) -> Watched:
    """One round of the pictures, at a learner's page. A frame that may wait for the next one does so, as on the server.

    page: decides what is sent; None sends all.
    """
    session = FocusSession(Learner(1, 1), "reading", _Nowhere())
    told: list[tuple[float, FocusSnapshot]] = []
    sent: list[EncodedPicture] = []
    waiting: list[EncodedFrame] = []
    encoder = Vp8Encoder(pictures[0][1].width, pictures[0][1].height, layered=page is not None)
    with (
        closing(FrameAnalyserFactory()) as analysers,
        closing(Pipeline("vp8", analysers, session, AnalysisPace(adaptive=True))) as pipeline,
    ):
        for index, (time_s, frame) in enumerate(pictures):
            changing = bool(told) and told[-1][1].changing_to is not None
            if page is not None and not page.sends(index, changing=changing):
                continue
            keyframe = not sent or time_s // KEYFRAME_EVERY_S > sent[-1].time_s // KEYFRAME_EVERY_S
            picture = encoder.encode(frame.reformat(format="yuv420p"), time_s, keyframe=keyframe)
            sent.append(picture)
            waiting.append(EncodedFrame(picture.data, keyframe, round(time_s * CLOCK_RATE), time_s, 0.0, picture.layer))
            if pipeline.may_wait(waiting[-1]):
                continue
            outcome = pipeline.process(waiting)
            waiting = []
            if outcome is not None and outcome.snapshot is not None:
                told.append((time_s, outcome.snapshot))
    session.end(EndReason.STOPPED)
    size = pictures[0][1].width, pictures[0][1].height
    clip = EncodedClip(tuple(sent), len(pictures) / FRAMES_PER_S, *size)
    return Watched(clip, tuple(told), session.record().spans)

"""One recording judged offline, by the code that judges live."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rtc_server.focus.observation import FaceObservation
from rtc_server.focus.policy import Policy
from rtc_server.focus.state import FocusSnapshot, FocusState, Reason, Span, Totals
from rtc_server.focus.tracker import FocusTracker


@dataclass(frozen=True, slots=True)
class Analysis:
    """What was said at each frame, and what it came to."""

    policy: Policy
    snapshots: tuple[FocusSnapshot, ...]
    """One for each analysed frame, as said at that moment."""
    spans: tuple[Span, ...]
    multiple_faces: tuple[tuple[float, float], ...]
    totals: Totals

    @property
    def duration_s(self) -> float:
        """From the first frame to the last."""
        return self.snapshots[-1].media_time_s - self.snapshots[0].media_time_s if self.snapshots else 0.0

    def attributed(self) -> Iterator[tuple[FocusSnapshot, FocusState, Reason]]:
        """Each frame with the state and reason its time was finally attributed to, dated back."""
        starts = [span.start_s for span in self.spans]
        for snapshot in self.snapshots:
            at = bisect_right(starts, snapshot.media_time_s) - 1
            if at < 0:
                yield snapshot, snapshot.state, snapshot.reason
            else:
                yield snapshot, self.spans[at].state, self.spans[at].reason


def analyse(observations: Iterable[FaceObservation], policy: Policy) -> Analysis:
    """Judge a recording from its first frame to its last."""
    tracker = FocusTracker(policy)
    snapshots = tuple(tracker.observe(observation) for observation in observations)
    totals = tracker.finish().totals
    return Analysis(policy, snapshots, tracker.spans(), tracker.multiple_faces_spans(), totals)

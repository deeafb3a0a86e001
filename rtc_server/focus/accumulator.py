"""Settled time, as spans and totals. Totals are exact and only ever grow; the number of spans is bounded."""

from collections.abc import Sequence

from rtc_server.focus.state import FocusState, Span, Totals

MAX_SPANS = 4000
"""Twice what four hours of a restless learner come to. A page that pauses and resumes at will could make 134,000."""
_SPANS_AFTER_MERGING = 3000
"""Merging moves all that follow, which are then stored anew: many at once, so that it is seldom."""
MAX_MULTIPLE_FACES = 1000
_MULTIPLE_FACES_AFTER_MERGING = 750


class Accumulator:
    """Takes settled spans in order. Neighbours of one state and reason become one span."""

    def __init__(self) -> None:
        self._spans: list[Span] = []
        self._seconds = dict.fromkeys(FocusState, 0.0)
        self._stretches = dict.fromkeys(FocusState, 0)
        self._last_known: FocusState | None = None
        self._multiple_faces: list[tuple[float, float]] = []
        self._multiple_faces_s = 0.0
        self._merged = 0

    @classmethod
    def restored(
        cls, totals: Totals, spans: Sequence[Span], multiple_faces: Sequence[tuple[float, float]], merged_spans: int
    ) -> "Accumulator":
        """Goes on from what another Accumulator gave."""
        restored = cls()
        restored._spans, restored._multiple_faces = list(spans), list(multiple_faces)
        restored._seconds |= {
            FocusState.FOCUSED: totals.focused_s,
            FocusState.UNFOCUSED: totals.unfocused_s,
            FocusState.UNKNOWN: totals.unknown_s,
        }
        restored._stretches[FocusState.FOCUSED] = totals.focused_stretches
        restored._stretches[FocusState.UNFOCUSED] = totals.unfocused_stretches
        restored._multiple_faces_s, restored._merged = totals.multiple_faces_s, merged_spans
        known = (span.state for span in reversed(spans) if span.state is not FocusState.UNKNOWN)
        restored._last_known = next(known, None)
        return restored

    def add(self, span: Span | None) -> None:
        """A span that begins where the last one ended, or later; None where nothing is settled yet."""
        if span is None:
            return
        self._seconds[span.state] += span.end_s - span.start_s
        if span.state is not FocusState.UNKNOWN and span.state is not self._last_known:
            self._stretches[span.state] += 1
            self._last_known = span.state
        last = self._spans[-1] if self._spans else None
        if last and last.end_s == span.start_s and last.reason is span.reason and last.state is span.state:
            self._spans[-1] = Span(last.start_s, span.end_s, span.state, span.reason)
        else:
            self._spans.append(span)
        if len(self._spans) > MAX_SPANS:
            before = len(self._spans)
            self._spans = _without_shortest(self._spans, _SPANS_AFTER_MERGING)
            self._merged += before - len(self._spans)

    def add_multiple_faces(self, start_s: float, end_s: float) -> None:
        """A second person was in the picture from `start_s` to `end_s`."""
        self._multiple_faces_s += end_s - start_s
        if self._multiple_faces and self._multiple_faces[-1][1] == start_s:
            start_s = self._multiple_faces.pop()[0]
        self._multiple_faces.append((start_s, end_s))
        if len(self._multiple_faces) > MAX_MULTIPLE_FACES:
            before = len(self._multiple_faces)
            self._multiple_faces = _across_shortest_gaps(self._multiple_faces, _MULTIPLE_FACES_AFTER_MERGING)
            self._merged += before - len(self._multiple_faces)

    @property
    def spans(self) -> tuple[Span, ...]:
        return tuple(self._spans)

    @property
    def multiple_faces(self) -> tuple[tuple[float, float], ...]:
        """When a second person was in the picture, as [start, end) in media time."""
        return tuple(self._multiple_faces)

    @property
    def merged_spans(self) -> int:
        """How many spans of either kind were merged into a neighbour, because there were too many."""
        return self._merged

    @property
    def totals(self) -> Totals:
        focused_s, unfocused_s, unknown_s = self._seconds.values()
        return Totals(
            focused_s=focused_s,
            unfocused_s=unfocused_s,
            unknown_s=unknown_s,
            focused_stretches=self._stretches[FocusState.FOCUSED],
            unfocused_stretches=self._stretches[FocusState.UNFOCUSED],
            multiple_faces_s=self._multiple_faces_s,
        )


def _without_shortest(spans: Sequence[Span], count: int) -> list[Span]:
    """At most `count` spans: the shortest are merged into the one before them. The first and the last stay."""
    inner = sorted(range(1, len(spans) - 1), key=lambda index: spans[index].end_s - spans[index].start_s)
    shortest = set(inner[: len(spans) - count])
    kept = [spans[0]]
    for index, span in enumerate(spans[1:], start=1):
        last = kept[-1]
        adjoins = last.end_s == span.start_s
        if adjoins and (index in shortest or (last.state, last.reason) == (span.state, span.reason)):
            kept[-1] = Span(last.start_s, span.end_s, last.state, last.reason)
        elif index not in shortest:
            kept.append(span)
    return kept


def _across_shortest_gaps(stretches: Sequence[tuple[float, float]], count: int) -> list[tuple[float, float]]:
    """At most `count` stretches: those with the shortest gaps before them are merged into the one before."""
    by_gap = sorted(range(1, len(stretches)), key=lambda index: stretches[index][0] - stretches[index - 1][1])
    merged = set(by_gap[: len(stretches) - count])
    kept = [stretches[0]]
    for index, (start_s, end_s) in enumerate(stretches[1:], start=1):
        if index in merged:
            kept[-1] = (kept[-1][0], end_s)
        else:
            kept.append((start_s, end_s))
    return kept

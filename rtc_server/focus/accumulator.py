"""Settled time, as spans and totals. Absolute, and only ever growing."""

from rtc_server.focus.state import FocusState, Span, Totals


class Accumulator:
    """Takes settled spans in order. Neighbours of one state and reason become one span."""

    def __init__(self) -> None:
        self._spans: list[Span] = []
        self._seconds = dict.fromkeys(FocusState, 0.0)
        self._stretches = dict.fromkeys(FocusState, 0)
        self._last_known: FocusState | None = None
        self._multiple_faces: list[tuple[float, float]] = []
        self._multiple_faces_s = 0.0

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

    def add_multiple_faces(self, start_s: float, end_s: float) -> None:
        """A second person was in the picture from `start_s` to `end_s`."""
        self._multiple_faces_s += end_s - start_s
        if self._multiple_faces and self._multiple_faces[-1][1] == start_s:
            start_s = self._multiple_faces.pop()[0]
        self._multiple_faces.append((start_s, end_s))

    @property
    def spans(self) -> tuple[Span, ...]:
        return tuple(self._spans)

    @property
    def multiple_faces(self) -> tuple[tuple[float, float], ...]:
        """When a second person was in the picture, as [start, end) in media time."""
        return tuple(self._multiple_faces)

    @property
    def totals(self) -> Totals:
        focused_s, unfocused_s, unknown_s = self._seconds.values()
        return Totals(
            focused_s=focused_s,
            unfocused_s=unfocused_s,
            unknown_s=unknown_s,
            focus_sessions=self._stretches[FocusState.FOCUSED],
            unfocus_sessions=self._stretches[FocusState.UNFOCUSED],
            multiple_faces_s=self._multiple_faces_s,
        )

"""Packets that should have come, when to ask for them, and how long an answer takes. Pure."""

from collections.abc import Container
from dataclasses import dataclass

_FIRST_RTT_S = 0.03
_LONGEST_RTT_S = 0.3
_REORDERED_S = 0.005
"""What comes sooner was not sent again; it was overtaken."""
_RETRY_S = (0.03, 0.12)


@dataclass(slots=True)
class _Gap:
    noticed: float
    asked: float | None = None
    times: int = 0


class MissingPackets:
    """Sequence numbers are extended ones; times are of one monotonic clock."""

    def __init__(self) -> None:
        self._gaps: dict[int, _Gap] = {}
        self.rtt_s = _FIRST_RTT_S
        """From a request to what was asked for, smoothed."""

    def __len__(self) -> int:
        return len(self._gaps)

    def note(self, first: int, end: int, now: float, present: Container[int] = ()) -> None:
        """From `first` up to and without `end` all but those `present` are missing."""
        for sequence in range(first, end):
            if sequence not in present:
                self._gaps.setdefault(sequence, _Gap(now))

    def found(self, sequence: int, now: float) -> None:
        gap = self._gaps.pop(sequence, None) if self._gaps else None
        if gap is not None and gap.times == 1 and gap.asked is not None and now - gap.asked > _REORDERED_S:
            self.rtt_s += 0.25 * (min(now - gap.asked, _LONGEST_RTT_S) - self.rtt_s)

    def missed_for(self, sequence: int, now: float) -> float:
        """Seconds since it was noticed; 0 where it is not missing."""
        gap = self._gaps.get(sequence)
        return now - gap.noticed if gap is not None else 0.0

    def due(self, now: float) -> tuple[int, ...]:
        """What should be asked for now, oldest first; asked for again after about a round trip."""
        shortest_s, longest_s = _RETRY_S
        retry_s = min(max(1.2 * self.rtt_s, shortest_s), longest_s)
        due = []
        for sequence, gap in self._gaps.items():
            if gap.asked is None or now - gap.asked >= retry_s:
                gap.asked = now
                gap.times += 1
                due.append(sequence)
        return tuple(due)

    def forget_before(self, sequence: int) -> None:
        self._gaps = {key: gap for key, gap in self._gaps.items() if key >= sequence}

    def forget_older(self, noticed: float) -> None:
        self._gaps = {key: gap for key, gap in self._gaps.items() if gap.noticed > noticed}

    def clear(self) -> None:
        self._gaps.clear()

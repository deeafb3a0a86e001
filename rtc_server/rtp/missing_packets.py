"""Packets that should have come, when to ask for them, and how long an answer takes. Pure."""

from collections.abc import Container
from dataclasses import dataclass

MAX_REQUESTS = 10
"""For one packet, as many as a browser makes."""
LOOK_THROUGH_S = 0.004
"""All are looked through no more often than that, however fast packets come. Requests are 15 ms apart or more."""

_FIRST_RTT_S = 0.1
_LONGEST_RTT_S = 0.3
_REORDERED_S = 0.005
"""What comes sooner was not sent again; it was overtaken."""
_RETRY_S = (0.04, 0.25)
_ECHO_S = 0.015
"""A request is repeated once so soon, in case it is the request that is lost: a sender answers only one of the two."""
_SLOW_RETRY_S = 0.08
"""Where answers come sooner, so does the next request: it needs no echo."""
_UNSURE_S = 0.12


@dataclass(slots=True)
class _Gap:
    noticed: float
    asked: float | None = None
    """When it was asked for last, echoes aside."""
    asked_before: float | None = None
    """And the time before that."""
    echoed: bool = False
    times: int = 0


class MissingPackets:
    """Sequence numbers are extended ones; times are of one monotonic clock."""

    def __init__(self) -> None:
        self._gaps: dict[int, _Gap] = {}
        self._never_asked: list[int] = []
        """Those that were noticed since `due` was called last; some may have come."""
        self._looked_through = -LOOK_THROUGH_S
        self.rtt_s = _FIRST_RTT_S
        """From a request to what was asked for, smoothed."""
        self._varies_s = 0.0
        """By how much, smoothed."""

    def __len__(self) -> int:
        return len(self._gaps)

    def __contains__(self, sequence: object) -> bool:
        return sequence in self._gaps

    def note(self, first: int, end: int, now: float, present: Container[int] = ()) -> None:
        """From `first` up to and without `end` all but those `present` are missing."""
        for sequence in range(first, end):
            if sequence not in present and sequence not in self._gaps:
                self._gaps[sequence] = _Gap(now)
                self._never_asked.append(sequence)

    def found(self, sequence: int, now: float) -> None:
        gap = self._gaps.pop(sequence, None) if self._gaps else None
        if gap is None or gap.asked is None:
            return
        first = gap.asked if gap.asked_before is None else gap.asked_before
        took_s = now - first
        if took_s > _REORDERED_S:
            # Asked for twice, it may be an answer to either request; what comes in half the usual time was rather
            # overtaken than sent again. Only if it is always so has the way become another.
            weight = 0.25 if gap.asked_before is None and took_s >= self.rtt_s / 2 else 0.05
            difference_s = min(took_s, _LONGEST_RTT_S) - self.rtt_s
            self.rtt_s += weight * difference_s
            self._varies_s += weight * (abs(difference_s) - self._varies_s)

    def missed_for(self, sequence: int, now: float) -> float:
        """Seconds since it was noticed; 0 where it is not missing."""
        gap = self._gaps.get(sequence)
        return now - gap.noticed if gap is not None else 0.0

    @property
    def unsure_after_s(self) -> float:
        """Who has been missing for so long was asked for in vain: the request or its answer was lost too."""
        return max(_UNSURE_S, self._retry_s)

    def due(self, now: float) -> tuple[int, ...]:
        """What should be asked for now, oldest first; asked for again after about a round trip."""
        never_asked, self._never_asked = self._never_asked, []
        if now - self._looked_through < LOOK_THROUGH_S:
            return tuple([sequence for sequence in never_asked if sequence in self._gaps and self._ask(sequence, now)])
        self._looked_through = now
        return tuple([sequence for sequence in self._gaps if self._ask(sequence, now)])

    def forget_before(self, sequence: int) -> None:
        self._gaps = {key: gap for key, gap in self._gaps.items() if key >= sequence}

    def forget_older(self, noticed: float) -> None:
        self._gaps = {key: gap for key, gap in self._gaps.items() if gap.noticed > noticed}

    def clear(self) -> None:
        self._gaps.clear()
        self._never_asked.clear()

    @property
    def _retry_s(self) -> float:
        shortest_s, longest_s = _RETRY_S
        return min(max(1.2 * self.rtt_s, self.rtt_s + 2 * self._varies_s, shortest_s), longest_s)

    def _ask(self, sequence: int, now: float) -> bool:
        gap = self._gaps[sequence]
        if gap.times >= MAX_REQUESTS:
            return False
        retry_s = self._retry_s
        if gap.asked is None or now - gap.asked >= retry_s:
            gap.asked, gap.asked_before, gap.echoed = now, gap.asked, False
        elif not gap.echoed and now - gap.asked >= _ECHO_S and retry_s >= _SLOW_RETRY_S:
            gap.echoed = True
        else:
            return False
        gap.times += 1
        return True

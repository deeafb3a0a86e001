"""Missing packets: when to ask for them again, and how long an answer takes. Pure."""

from collections.abc import Container
from dataclasses import dataclass

from rtc_server.rtp.packet_counts import PacketCounts

MAX_REQUESTS = 10
"""Most requests for one packet: as many as a browser makes."""
LOOK_THROUGH_S = 0.004
"""Shortest time between two passes over all missing packets; bounds the work. Requests are 15 ms apart or more."""

_FIRST_RTT_S = 0.1
"""Round trip that is assumed until one is measured."""
_LONGEST_RTT_S = 0.3
"""A longer measured round trip counts as this."""
_REORDERED_S = 0.005
"""A packet that arrives sooner after the request is no answer to it; it was only late."""
_RETRY_S = (0.04, 0.25)
"""Shortest and longest time between two requests."""
_ECHO_S = 0.015
"""A request is repeated once after this time (an echo), in case it was lost. A sender answers only one of the two."""
_SLOW_RETRY_S = 0.08
"""If the next request comes sooner than this anyway, no echo is sent."""
_UNSURE_S = 0.12
"""Shortest time after which a request counts as not answered."""


@dataclass(slots=True)
class _Gap:
    noticed: float
    asked: float | None = None
    """When it was asked for last, not counting echoes."""
    asked_before: float | None = None
    """When it was asked for the time before that."""
    echoed: bool = False
    times: int = 0


class MissingPackets:
    """Sequence numbers are extended ones; times are of one monotonic clock."""

    def __init__(self, counts: PacketCounts | None = None) -> None:
        self._counts = counts or PacketCounts()
        self._gaps: dict[int, _Gap] = {}
        self._never_asked: list[int] = []
        """Those noticed since the last call of `due`; some may have arrived since."""
        self._looked_through = -LOOK_THROUGH_S
        self.rtt_s = _FIRST_RTT_S
        """Time from a request to the packet, smoothed."""
        self._varies_s = 0.0
        """How much that time varies, smoothed."""

    def __len__(self) -> int:
        return len(self._gaps)

    def __contains__(self, sequence: object) -> bool:
        return sequence in self._gaps

    def note(self, first: int, end: int, now: float, present: Container[int] = ()) -> None:
        """Note as missing: the numbers from `first` to before `end`, except those in `present`."""
        for sequence in range(first, end):
            if sequence not in present and sequence not in self._gaps:
                self._gaps[sequence] = _Gap(now)
                self._counts.missing += 1
                self._never_asked.append(sequence)

    def found(self, sequence: int, now: float) -> None:
        gap = self._gaps.pop(sequence, None) if self._gaps else None
        if gap is None:
            return
        if gap.asked is None:
            self._counts.late += 1
            return
        self._counts.repaired += 1
        first = gap.asked if gap.asked_before is None else gap.asked_before
        took_s = now - first
        if took_s > _REORDERED_S:
            # Two doubtful cases count less: after two requests the packet may answer either one, and a packet that
            # arrives in half the usual time was probably only late. If this goes on, the path has really changed.
            weight = 0.25 if gap.asked_before is None and took_s >= self.rtt_s / 2 else 0.05
            difference_s = min(took_s, _LONGEST_RTT_S) - self.rtt_s
            self.rtt_s += weight * difference_s
            self._varies_s += weight * (abs(difference_s) - self._varies_s)

    def missed_for(self, sequence: int, now: float) -> float:
        """Seconds since the packet was noticed as missing; 0 if it is not missing."""
        gap = self._gaps.get(sequence)
        return now - gap.noticed if gap is not None else 0.0

    @property
    def unsure_after_s(self) -> float:
        """A packet missing for longer than this had no answer: the request or the answer was lost too."""
        return max(_UNSURE_S, self._retry_s)

    def due(self, now: float) -> tuple[int, ...]:
        """The packets to ask for now, oldest first. Each comes up again after about a round trip."""
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

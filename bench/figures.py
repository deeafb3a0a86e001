"""Numbers from numbers: medians, spreads, searches."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median


@dataclass(frozen=True, slots=True)
class Spread:
    """A median, and the least and most of the runs it is of."""

    median: float
    least: float
    most: float
    runs: int

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.least:.3g} to {self.most:.3g})"


def spread(values: Sequence[float]) -> Spread:
    return Spread(median(values), min(values), max(values), len(values))


def percentile(values: Sequence[float], percent: float) -> float:
    """Nearest rank: a value that was measured. Infinite where nothing was: what never came is late."""
    if not values:
        return float("inf")
    return sorted(values)[max(1, ceil(len(values) * percent / 100)) - 1]


async def largest_carried(carries: Callable[[int], Awaitable[bool]], start: int, most: int) -> int:
    """The largest count for which `carries` holds, taken to be monotone. 0 where not even one is carried.

    Doubles from `start` until it fails, then halves the gap.
    """
    good, bad = 0, most + 1
    count = min(start, most)
    while bad - good > 1:
        if await carries(count):
            good = count
        else:
            bad = count
        count = min(good * 2, most) if bad > most else (good + bad) // 2
    return good


def freshness(
    arrivals: Sequence[tuple[float, float]], start: float, end: float, within_s: float
) -> tuple[float, float]:
    """What share of [start, end) knew a frame sent less than `within_s` ago, and the longest stretch, in seconds,
    in which nothing newer became known.

    `arrivals`: when each answer came, and when its frame had been sent, on one clock, in order of arrival.
    """
    known: list[tuple[float, float]] = [(start, float("-inf"))]
    for arrived, sent in arrivals:
        if arrived < end and sent > known[-1][1]:
            known.append((max(arrived, start), sent))
    until = [arrived for arrived, _ in known[1:]] + [end]
    fresh_s = sum(
        max(0.0, min(next_arrived, sent + within_s) - arrived)
        for (arrived, sent), next_arrived in zip(known, until, strict=True)
    )
    longest_s = max(next_arrived - arrived for (arrived, _), next_arrived in zip(known, until, strict=True))
    return fresh_s / (end - start), longest_s

"""What one invocation of the benchmarks was asked for."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bench.processes import stolen_s
from rtc_server.publisher.encoded_clip import EncodedClip

T = TypeVar("T")

CALM = 0.01
"""Share of the cores that their host may give to others without a word."""
PAUSES_S = (15.0, 45.0, 90.0)
"""Before each further attempt: a neighbour who is busy stays so for a while."""


@dataclass(frozen=True, slots=True)
class Run:
    clip: EncodedClip
    clip_name: str
    runs: int
    """How often each thing is measured; the median counts."""
    seconds: float
    """How long each measurement lasts."""
    memory_minutes: float
    recordings: Path | None = None
    """Folder of recordings of people; None where there are none."""
    before: Path | None = None
    """Source of an earlier version, to be measured beside this one."""

    def say(self, text: str) -> None:
        """How it goes, for whoever waits."""
        print(f"bench: {text}", file=sys.stderr, flush=True)

    async def calmly(self, measure: Callable[[], Awaitable[T]], enough: Callable[[T], bool] = lambda _: False) -> T:
        """What `measure` found in the calmest of four attempts, the first calm one if there is one.

        A core that is away for 100 ms at a time says nothing of a server's latency. `enough` may know better: what
        was reached on a core that was away would be reached on one that is not, and what was missed by far, missed.
        """
        found: list[tuple[float, T]] = []
        for pause_s in (0.0, *PAUSES_S):
            await asyncio.sleep(pause_s)
            began, stolen = time.monotonic(), stolen_s()
            result = await measure()
            found.append(((stolen_s() - stolen) / (time.monotonic() - began), result))
            if enough(result):
                return result
            if found[-1][0] <= CALM:
                break
            self.say(f"{found[-1][0]:.0%} of the cores was stolen")
        return min(found, key=lambda one: one[0])[1]

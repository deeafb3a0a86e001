"""How many learners a server carries: everybody hears often enough, and soon enough."""

from functools import partial

from bench.crowd import Window, crowd
from bench.figures import largest_carried
from bench.processes import MeasuredServer
from bench.run import Run

MOST_MS = 100.0
"""95 % of all updates come within so long."""
MOST_LEARNERS = 96


async def carried(
    run: Run, server: MeasuredServer, what: str, updates_per_s: float, start: int, windows: dict[int, Window]
) -> int:
    """The most learners of whom each gets so many updates. Those that were measured go to `windows`, by their count.

    start: where the search begins.
    """
    first_user = 1

    def is_carried(window: Window) -> bool:
        return window.p95_ms <= MOST_MS and window.fewest_updates >= updates_per_s * window.seconds - 1

    async def measure(count: int) -> Window:
        nonlocal first_user
        # Nobody who was here before, so that no session is continued.
        first_user += MOST_LEARNERS
        async with crowd(server, run.clip, count, first_user=first_user) as guests:
            return await guests.measure(run.seconds)

    async def carries(count: int) -> bool:
        try:
            window = await run.calmly(partial(measure, count), enough=is_carried)
        except (RuntimeError, TimeoutError):
            return False
        run.say(f"{what}, {count} learners: p95 {window.p95_ms:.0f} ms, {window.answered:.0%} answered")
        if good := is_carried(window):
            windows[count] = window
        return good

    return await largest_carried(carries, start, MOST_LEARNERS)

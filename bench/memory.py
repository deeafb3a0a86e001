"""`memory`: what a learner takes, and whether it is given back."""

import asyncio
from typing import Any

from bench.crowd import crowd
from bench.figures import spread
from bench.processes import MeasuredServer, our_server
from bench.report import Goal, Report
from bench.run import Run

LEARNERS = (1, 8, 16)
AIM_MB = 40.0
COMING_AND_GOING, STAY_S = 4, 5.0
GROWTH_MB = 8.0
"""More than this from the second fifth of the time to the last is growth, not the allocator's breath."""


async def memory(run: Run) -> Report:
    rows: list[dict[str, Any]] = []
    for learners in LEARNERS:
        each, total = [], []
        for _ in range(run.runs):
            async with our_server(adaptive=False) as server:
                await asyncio.sleep(1.0)
                idle = server.usage().rss_bytes
                async with crowd(server, run.clip, learners) as guests:
                    window = await guests.measure(min(run.seconds, 10.0))
            total.append(window.server_rss_bytes / 2**20)
            each.append((window.server_rss_bytes - idle) / 2**20 / learners)
        rows.append({"learners": learners, "mb_a_learner": spread(each).median, "mb_in_all": spread(total).median})
    async with our_server(adaptive=False) as server:
        samples = await _coming_and_going(run, server)
    fifth = max(1, len(samples) // 5)
    early, late = spread(samples[fifth : 2 * fifth]).median, spread(samples[-fifth:]).median
    rows.append({"learners": f"{COMING_AND_GOING * len(samples)}, one after another", "mb_in_all": late})
    worst = max(row["mb_a_learner"] for row in rows[:-1])
    return Report(
        "memory",
        "Resident memory of the server with learners connected at full rate: in all, and what each adds to the idle "
        f"server. Then {run.memory_minutes:g} minutes of {COMING_AND_GOING} learners at a time who come, stay "
        f"{STAY_S:g} s and go.",
        rows,
        [
            Goal(f"at most {AIM_MB:g} MB a learner", f"{worst:.1f} MB", worst <= AIM_MB),
            Goal(
                "no growth while learners come and go",
                f"{late - early:+.1f} MB from the second fifth of the time to the last",
                late - early <= GROWTH_MB,
            ),
        ],
    )


async def _coming_and_going(run: Run, server: MeasuredServer) -> list[float]:
    """Resident megabytes after each group has left."""
    samples: list[float] = []
    ends = asyncio.get_running_loop().time() + run.memory_minutes * 60
    while asyncio.get_running_loop().time() < ends or not samples:
        first_user = 1 + len(samples) * COMING_AND_GOING
        async with crowd(server, run.clip, COMING_AND_GOING, first_user=first_user, settle_s=STAY_S):
            pass
        samples.append(server.usage().rss_bytes / 2**20)
    return samples

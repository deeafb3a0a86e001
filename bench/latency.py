"""`latency`: from a frame's last packet to its update, with one learner on an idle core."""

from functools import partial
from typing import Any

from bench.crowd import Window, crowd
from bench.figures import spread
from bench.in_chromium import latency_in_chromium
from bench.processes import our_server
from bench.report import Goal, Report
from bench.run import Run

P50_AIM_MS, P95_AIM_MS = 12.0, 25.0
CHROMIUM_P95_AIM_MS = 20.0


async def latency(run: Run) -> Report:
    p50s, p95s = [], []
    for _ in range(run.runs):
        window = await run.calmly(partial(_in_a_window, run))
        p50s.append(window.p50_ms)
        p95s.append(window.p95_ms)
    rows: list[dict[str, Any]] = [_row("our client: last packet sent to update", p50s, p95s)]
    async with our_server(adaptive=False) as server:
        in_chromium = partial(latency_in_chromium, server, run.clip, run.seconds)
        pages = [await run.calmly(in_chromium) for _ in range(run.runs)]
    rows += [_row(f"Chromium: {name}", *zip(*(page[name] for page in pages), strict=True)) for name in pages[0]]
    p50, p95, in_browser = rows[0]["p50_ms"], rows[0]["p95_ms"], rows[1]["p95_ms"]
    return Report(
        "latency",
        "One learner at full rate. Milliseconds.",
        rows,
        [
            Goal(f"p50 at most {P50_AIM_MS:g} ms", f"{p50:.1f} ms", p50 <= P50_AIM_MS),
            Goal(f"p95 at most {P95_AIM_MS:g} ms", f"{p95:.1f} ms", p95 <= P95_AIM_MS),
            Goal(
                f"p95 at most {CHROMIUM_P95_AIM_MS:g} ms, Chromium, capture to update",
                f"{in_browser:.1f} ms",
                in_browser <= CHROMIUM_P95_AIM_MS,
            ),
        ],
    )


async def _in_a_window(run: Run) -> Window:
    async with our_server(adaptive=False) as server, crowd(server, run.clip, 1) as guests:
        return await guests.measure(run.seconds)


def _row(name: str, p50s: Any, p95s: Any) -> dict[str, Any]:
    p50, p95 = spread(p50s), spread(p95s)
    return {
        "measured": name,
        "p50_ms": p50.median,
        "p95_ms": p95.median,
        "least_p95_ms": p95.least,
        "most_p95_ms": p95.most,
    }

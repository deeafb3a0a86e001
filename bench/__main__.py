"""`python -m bench [NAME …] [--json] [--write]`."""

import argparse
import gc
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import uvloop

from bench.clip import bench_clip, clip_name
from bench.processes import alone, stolen_s, take_the_load_s_cores
from bench.report import PAGE, Report, write
from bench.run import Run

BENCHMARKS = (
    *("floor", "cost", "capacity", "latency", "loss", "peers", "memory", "hostile"),
    *("faults", "saves", "soak", "reads", "fleet", "fleet_soak", "cores", "page"),
)
"""Each a module of that name with a function of that name."""
PAGES = {name: PAGE.with_name("reliability.md") for name in ("faults", "saves", "soak")} | {
    name: PAGE.with_name("scale.md") for name in ("fleet", "fleet_soak", "cores")
}
"""Where a section does not go to docs/benchmarks.md."""
OF_THE_JUDGEMENT = ("accuracy", "hour", "sitters")
"""They measure no server: each is a module with arguments of its own."""


def main() -> None:
    if sys.argv[1:2] and sys.argv[1] in OF_THE_JUDGEMENT:
        sys.exit(import_module(f"bench.{sys.argv[1]}").main(sys.argv[2:]))
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS)}; without one, all")
    parser.add_argument("--clip", type=Path, help="a video of one person at a camera; by default one is made")
    parser.add_argument(
        "--recordings",
        type=Path,
        metavar="DIR",
        help="recordings of people, which `cost`, `capacity` and `page` add to the made",
    )
    parser.add_argument("--before", type=Path, metavar="DIR", help="a working tree of an earlier version, for `cost`")
    parser.add_argument("--runs", type=int, default=3, help="how often each thing is measured (3)")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each measurement lasts (20)")
    parser.add_argument("--memory-minutes", type=float, default=10.0, help="of learners coming and going (10)")
    parser.add_argument("--json", action="store_true", help="print results as JSON, one object a line")
    parser.add_argument("--write", action="store_true", help="put the results into docs/benchmarks.md")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    logging.basicConfig(level=logging.ERROR)
    take_the_load_s_cores()
    run = Run(
        bench_clip(arguments.clip),
        clip_name(arguments.clip),
        arguments.runs,
        arguments.seconds,
        arguments.memory_minutes,
        arguments.recordings,
        arguments.before,
    )
    gc.freeze()
    for name in arguments.names or BENCHMARKS:
        benchmark: Callable[[Run], Awaitable[Report]] = getattr(import_module(f"bench.{name}"), name)
        with alone():
            report = uvloop.run(_measured(benchmark, run))
        print(json.dumps(report.as_json()) if arguments.json else report.as_markdown(run.clip_name) + "\n", flush=True)
        if arguments.write:
            write(report, run.clip_name, PAGES.get(name, PAGE))


async def _measured(benchmark: Callable[[Run], Awaitable[Report]], run: Run) -> Report:
    began, stolen = time.monotonic(), stolen_s()
    report = await benchmark(run)
    return replace(report, stolen_share=(stolen_s() - stolen) / (time.monotonic() - began))


if __name__ == "__main__":
    main()

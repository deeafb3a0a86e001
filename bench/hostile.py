"""`hostile`: honest learners beside strangers and rogues who do what they can, against the same ones in peace."""

import asyncio
import json
import os
import pickle
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil

from bench.crowd import Crowd, Window, crowd
from bench.figures import spread
from bench.processes import ROOT, SECRET, MeasuredServer, our_server
from bench.report import Goal, Report
from bench.run import Run

LEARNERS = 6
MOST_RATIO = 1.5
LEAST_ANSWERED = 0.98
RUN_UP_S = 3.0
"""From the start of the load to the measurement, for its first connections."""
RUN_DOWN_S = 15.0
LIMITS = {"RTC_OFFERS_PER_MINUTE": "120", "RTC_MAX_SESSIONS": "64", "RTC_MAX_SESSIONS_PER_ADDRESS": "64"}
"""What a deployment has, which other benchmarks lift. All come from one address here, the worst case."""


async def hostile(run: Run, only: str = "") -> Report:
    quiet: list[Window] = []
    attacked: list[Window] = []
    done: dict[str, Any] = {}
    async with our_server(adaptive=False, environment=LIMITS) as server, crowd(server, run.clip, LEARNERS) as guests:
        for _ in range(run.runs):
            quiet.append(await guests.measure(run.seconds))
            window, done = await _under_attack(run, server, guests, only)
            attacked.append(window)
            run.say(f"hostile: p95 {quiet[-1].p95_ms:.1f} ms, under attack {window.p95_ms:.1f} ms; {json.dumps(done)}")
    ratio = spread([under.p95_ms / before.p95_ms for before, under in zip(quiet, attacked, strict=True)])
    least_answered = min(window.answered for window in attacked)
    # A machine too busy to answer in peace shows nothing about an attack.
    quiet_enough = min(window.answered for window in quiet) >= LEAST_ANSWERED
    return Report(
        "hostile",
        f"{LEARNERS} honest learners at full rate, in peace and then under attack, {run.runs} times in turn at one "
        "server with the limits it has by default. The attack, all at once and from one address: junk datagrams to "
        "every media port, slow requests, requests without a right, garbage with one; and learners with good tokens "
        "who offer without end, flood their channels, send 300 streams, jump, trickle without end, and send 120 "
        "frames a second. Core: the share of one that the server uses.",
        [_row("in peace", quiet), _row("under attack", attacked)],
        [
            Goal(
                f"p95 under attack at most {MOST_RATIO} of that in peace",
                str(ratio),
                quiet_enough and ratio.median <= MOST_RATIO,
                "" if quiet_enough else "The machine was too busy to answer everybody in peace: measure again.",
            ),
            Goal(
                f"at least {LEAST_ANSWERED:.0%} of the honest frames answered",
                f"{least_answered:.1%}",
                least_answered >= LEAST_ANSWERED,
            ),
        ],
    )


async def _under_attack(run: Run, server: MeasuredServer, guests: Crowd, only: str) -> tuple[Window, dict[str, Any]]:
    media = {connection.laddr for connection in psutil.Process(server.pid).net_connections(kind="udp")}
    with tempfile.TemporaryDirectory(prefix="rtc-bench-") as folder:
        clip = Path(folder) / "clip"
        clip.write_bytes(pickle.dumps(run.clip))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.hostile.load", "--url", server.url, "--clip", str(clip), "--only", only),
            *("--media", ",".join(f"{address.ip}:{address.port}" for address in media)),
            *("--seconds", str(run.seconds + RUN_UP_S)),
            cwd=ROOT,
            env={**os.environ, "SECRET": SECRET},
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        await process.stdout.readline()
        await asyncio.sleep(RUN_UP_S)
        window = await guests.measure(run.seconds)
        try:
            output, _ = await asyncio.wait_for(process.communicate(), RUN_DOWN_S)
        except TimeoutError:
            # Its goodbyes take long on a busy core; what was to be measured is measured.
            process.kill()
            await process.wait()
            output = b"{}"
    return window, json.loads(output)


def _row(name: str, windows: list[Window]) -> dict[str, Any]:
    p50, p95 = spread([window.p50_ms for window in windows]), spread([window.p95_ms for window in windows])
    return {
        "": name,
        "p50_ms": p50.median,
        "p95_ms": p95.median,
        "least_p95": p95.least,
        "most_p95": p95.most,
        "answered": spread([window.answered for window in windows]).median,
        "core": spread([window.server_cpu_s / window.seconds for window in windows]).median,
    }

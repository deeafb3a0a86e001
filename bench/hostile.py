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

from bench.crowd import SPREAD, Crowd, Window, crowd
from bench.figures import spread
from bench.processes import ROOT, SECRET, MeasuredServer, our_server
from bench.report import Goal, Report
from bench.run import Run

LEARNERS = 6
MOST_RATIO = 1.5
LEAST_ANSWERED = 0.95
MOST_BUSY = 0.8
"""Of the server's core: with more, latency is a queue's, and every further millisecond costs many."""
ATTACKS = {"strangers": "datagrams,requests,slow", "everybody": ""}
"""Which parts of `tests.hostile.load` each is made of; "" is all of them."""
RUN_UP_S = 3.0
"""From the start of the load to the measurement, for its first connections."""
RUN_DOWN_S = 15.0
LIMITS = {
    "RTC_OFFERS_PER_MINUTE": "300",
    "RTC_OFFERS_PER_MINUTE_PER_USER": "20",
    "RTC_READS_PER_MINUTE": "120",
    "RTC_MAX_SESSIONS": "64",
    "RTC_MAX_SESSIONS_PER_ADDRESS": "64",
}
"""The defaults of a server with four processors, which other benchmarks lift. All come from one address here, the worst
case."""


async def hostile(run: Run) -> Report:
    quiet: list[Window] = []
    attacked: dict[str, list[Window]] = {name: [] for name in ATTACKS}
    async with our_server(adaptive=True, environment=LIMITS) as server, crowd(server, run.clip, LEARNERS) as guests:
        for _ in range(run.runs):
            quiet.append(await guests.measure(run.seconds))
            for name, parts in ATTACKS.items():
                window, done = await _under_attack(run, server, guests, parts)
                attacked[name].append(window)
                run.say(f"hostile: p95 {quiet[-1].p95_ms:.1f} ms, {name} {window.p95_ms:.1f} ms; {json.dumps(done)}")
    return Report(
        "hostile",
        f"{LEARNERS} honest learners at one server as it comes, adaptive and with the limits it has by default, in "
        f"peace and then under attack, {run.runs} times in turn. Strangers, from one address, all at once: junk "
        "datagrams to every media port, slow requests, requests without a right. Everybody: the same, and learners "
        "with good tokens who offer garbage, offer without end, flood their channels, send 300 streams, jump, trickle "
        "without end, send 120 frames a second, fill SCTP packets with heartbeats and datagrams with DTLS records, "
        "pause and resume without end, and read their session 40 times at once. Core: the share of one that the server "
        f"uses. {SPREAD}",
        [_row("in peace", quiet), *(_row(name, windows) for name, windows in attacked.items())],
        [goal for name, windows in attacked.items() for goal in _goals(name, quiet, windows)],
    )


def _goals(name: str, quiet: list[Window], attacked: list[Window]) -> list[Goal]:
    p95 = spread([under.p95_ms / before.p95_ms for before, under in zip(quiet, attacked, strict=True)])
    answered = spread([under.answered / before.answered for before, under in zip(quiet, attacked, strict=True)])
    # A machine too busy in peace shows nothing about an attack.
    quiet_enough = max(window.server_cpu_s / window.seconds for window in quiet) <= MOST_BUSY
    return [
        Goal(
            f"{name}: p95 at most {MOST_RATIO} of that in peace",
            str(p95),
            quiet_enough and p95.median <= MOST_RATIO,
            "" if quiet_enough else "The server's core was too busy in peace: measure on a faster machine.",
        ),
        Goal(
            f"{name}: at least {LEAST_ANSWERED:.0%} as many honest frames answered as in peace",
            str(answered),
            answered.median >= LEAST_ANSWERED,
        ),
    ]


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
    done = json.loads(output)
    if None in done.values():
        raise RuntimeError("One of those who misbehave failed: what was measured is not the whole attack.")
    return window, done


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

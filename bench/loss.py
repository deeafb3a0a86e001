"""`loss`: does the metric keep coming on a bad network?"""

import asyncio
from functools import partial
from time import monotonic
from typing import Any

from bench.bad_network import BadNetwork, Conditions, first_candidate, with_only_candidate
from bench.crowd import crowd
from bench.figures import freshness, percentile, spread
from bench.processes import our_server
from bench.report import Goal, Report
from bench.run import Run

DELAY_S = 0.050
FRESH_S = 0.5
NETWORKS = {
    "50 ms delay": Conditions(delay_s=DELAY_S),
    "1 % loss": Conditions(loss=0.01, delay_s=DELAY_S),
    "5 % loss": Conditions(loss=0.05, delay_s=DELAY_S),
    "10 % loss": Conditions(loss=0.10, delay_s=DELAY_S),
    "5 % loss in outages of 40 ms": Conditions(loss=0.05, outage_s=0.040, delay_s=DELAY_S),
    "10 % loss in outages of 40 ms": Conditions(loss=0.10, outage_s=0.040, delay_s=DELAY_S),
    "5 % loss in bursts of 4": Conditions(loss=0.05, burst=4, delay_s=DELAY_S),
    "30 ms jitter": Conditions(delay_s=DELAY_S, jitter_s=0.030),
    "5 % reordered": Conditions(delay_s=DELAY_S, reordered=0.05),
    "5 % loss, jitter, reordering": Conditions(loss=0.05, delay_s=DELAY_S, jitter_s=0.030, reordered=0.05),
}
SHARE_AIM, FREEZE_AIM_S = 0.98, 1.0


async def loss(run: Run) -> Report:
    rows = [await _row(run, name, conditions) for name, conditions in NETWORKS.items()]
    (at_five,) = (row for row in rows if row["network"] == "5 % loss")
    freeze = max(row["longest_freeze_s"] for row in rows)
    return Report(
        "loss",
        f"One learner at full rate behind a relay that mistreats datagrams both ways, each {1000 * DELAY_S:g} ms late. "
        f"`fresh`: the share of time in which an update about a frame sent less than {1000 * FRESH_S:g} ms ago is "
        "known. The longest freeze is the longest stretch without news, in all runs. An outage loses all that is sent "
        "while it lasts; a burst is counted in datagrams, and so lasts the longer the fewer there are, as on "
        "the way back. Lengths are means.",
        rows,
        [
            Goal(
                f"{SHARE_AIM:.0%} of the time fresh at 5 % loss",
                f"{at_five['fresh']:.2%}",
                at_five["fresh"] >= SHARE_AIM,
            ),
            Goal(f"never a freeze over {FREEZE_AIM_S:g} s", f"{freeze:.2f} s", freeze <= FREEZE_AIM_S),
        ],
    )


async def _row(run: Run, name: str, conditions: Conditions) -> dict[str, Any]:
    shares, freezes, p50s, p95s = [], [], [], []
    for seed in range(run.runs):
        share, freeze, latencies = await run.calmly(partial(_measure, run, conditions, seed))
        shares.append(share)
        freezes.append(freeze)
        p50s.append(percentile(latencies, 50))
        p95s.append(percentile(latencies, 95))
    run.say(f"loss: {name}: {shares}, {freezes}")
    fresh = spread(shares)
    return {
        "network": name,
        "fresh": fresh.median,
        "least_fresh": fresh.least,
        "longest_freeze_s": max(freezes),
        "p50_ms": spread(p50s).median,
        "p95_ms": spread(p95s).median,
    }


async def _measure(run: Run, conditions: Conditions, seed: int) -> tuple[float, float, list[float]]:
    """Share of time fresh, longest freeze in seconds, and latencies in milliseconds."""
    relays: list[BadNetwork] = []

    async def through_relay(sdp: str) -> str:
        relay = BadNetwork(first_candidate(sdp), seed)
        await relay.__aenter__()
        relays.append(relay)
        return with_only_candidate(sdp, relay.address)

    async with our_server(adaptive=False) as server:
        try:
            async with crowd(server, run.clip, 1, rewrite_answer=through_relay) as guests:
                relays[0].worsen(conditions)
                start = monotonic() + 1.0
                await asyncio.sleep(1.0 + run.seconds)
                end = start + run.seconds
                answers = list(guests.members[0].answers)
        finally:
            for relay in relays:
                await relay.__aexit__()
    sent = [(arrived, arrived - latency_ms / 1000) for arrived, latency_ms in answers]
    share, freeze = freshness(sent, start, end, FRESH_S)
    return share, freeze, [latency_ms for arrived, latency_ms in answers if start <= arrived < end]

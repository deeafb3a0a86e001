"""All of it at once for a while, from a process of its own: `python -m tests.hostile.load`, for the benchmark.

Prints what it did as JSON.
"""

import argparse
import asyncio
import json
import logging
import os
import pickle
import sys
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import uvloop

from rtc_server.publisher.encoded_clip import EncodedClip
from tests.hostile import rogues, strangers

logger = logging.getLogger(__name__)

DATAGRAMS_PER_S = 3000
REQUESTS_PER_S = 40
SLOW_CONNECTIONS = 60
NICENESS = 15
"""Beside the honest learners on the same core, who come first."""
GARBAGE = ["", "hello", "v=0\r\n" + "a=x\r\n" * 5000, "v=0\r\nm=video 9 X 96\r\n", "\x00" * 30_000]

PARTS = (
    *("datagrams", "requests", "slow", "garbage", "offers", "channel", "ssrcs", "jumps", "trickle", "frames"),
    *("heartbeats", "records", "pauses", "reads"),
)


def everything(
    url: str, secret: str, media: list[strangers.Address], clip: EncodedClip, seconds: float
) -> dict[str, Coroutine[Any, Any, Any]]:
    """By name, each for so many seconds. `url`: of the WHIP endpoint."""
    base = urljoin(url, "/")
    server = (urlsplit(url).hostname or "", urlsplit(url).port or 80)

    def rogue(mischief: rogues.Mischief, user_id: int) -> Coroutine[Any, Any, Counter[str]]:
        return rogues.Rogue(url, secret, user_id).run(mischief, seconds)

    return {
        "datagrams": strangers.send_datagrams(media, round(DATAGRAMS_PER_S * seconds), DATAGRAMS_PER_S),
        "requests": strangers.send_requests(base, strangers.requests_without_a_right(), REQUESTS_PER_S, seconds),
        "slow": _slow(server, seconds),
        "garbage": _garbage(base, secret, seconds),
        "offers": rogues.offer_without_end(url, secret, 901, seconds, 4),
        "channel": rogue(rogues.flood_channel(500), 902),
        "ssrcs": rogue(rogues.many_ssrcs(400), 903),
        "jumps": rogue(rogues.jumps(400), 904),
        "trickle": rogue(rogues.trickle(20), 905),
        "frames": rogues.too_many_frames(url, secret, 906, clip, 8.0, seconds),
        "heartbeats": rogue(rogues.heartbeats(95), 908),
        "records": rogue(rogues.bundled_records(95), 909),
        "pauses": rogue(rogues.pauses(5), 910),
        "reads": rogue(rogues.reads(40), 911),
    }


async def _slow(server: strangers.Address, seconds: float) -> int:
    halves = (strangers.slow_requests(server, SLOW_CONNECTIONS // 2, seconds, bodies=bodies) for bodies in (0, 1))
    return sum(await asyncio.gather(*halves))


async def _garbage(base: str, secret: str, seconds: float) -> Counter[str]:
    token = rogues.Rogue(base, secret, 907).token
    headers = {"Content-Type": strangers.SDP, "Authorization": f"Bearer {token}"}
    requests = [("POST", "/whip", headers, text.encode()) for text in GARBAGE]
    return await strangers.send_requests(base, requests, 10, seconds)


async def _run(arguments: argparse.Namespace) -> dict[str, Any]:
    media = [(host, int(port)) for host, _, port in (text.rpartition(":") for text in arguments.media.split(","))]
    clip = pickle.loads(arguments.clip.read_bytes())
    all_of_it = everything(arguments.url, os.environ["SECRET"], media, clip, arguments.seconds)
    only = arguments.only.split(",") if arguments.only else list(all_of_it)
    for name in set(all_of_it) - set(only):
        all_of_it.pop(name).close()
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    results = await asyncio.gather(*(_told(name, part) for name, part in all_of_it.items()))
    return dict(zip(all_of_it, results, strict=True))


async def _told(name: str, part: Coroutine[Any, Any, Any]) -> Any:
    """One that fails says so at once, takes none of the others along, and has done nothing that counts."""
    try:
        return await part
    except Exception:
        logger.exception("%s failed", name)
        return None


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--media", required=True, help="host:port of media, comma-separated")
    parser.add_argument("--clip", type=Path, required=True, help="a pickled EncodedClip")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--only", default="", help=", ".join(PARTS))
    arguments = parser.parse_args()
    os.nice(NICENESS)
    json.dump(uvloop.run(_run(arguments)), sys.stdout)


if __name__ == "__main__":
    main()

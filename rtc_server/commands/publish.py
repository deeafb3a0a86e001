"""`rtc-server publish`: sends a video file as if it were a webcam."""

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rtc_server.errors import ClipUnreadable, SettingsError
from rtc_server.learner import Learner
from rtc_server.settings import Settings

if TYPE_CHECKING:
    from rtc_server.publisher.publication import Sender

HELP = "send a video file over WebRTC as one learner or many, and show what the server says about it"

EXIT_FAILURE, EXIT_USAGE = 1, 2
TOKEN_TTL_S = 24 * 3600


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("clip", type=Path, metavar="CLIP", help="a video file; its rotation is applied")
    parser.add_argument("--url", required=True, help="WHIP endpoint, as in http://127.0.0.1:8080/whip")
    parser.add_argument(
        "--token",
        help="learner's token; by default one is made with RTC_TOKEN_SECRET, or a demo server gives one",
    )
    parser.add_argument("--sessions", type=_positive_int, default=1, metavar="N", help="number of learners at once (1)")
    parser.add_argument("--duration", type=_positive_float, metavar="S", help="stop after S seconds")
    parser.add_argument("--loop", action="store_true", help="start again at the clip's end, until --duration or Ctrl-C")
    parser.add_argument(
        "--reconnect",
        action="store_true",
        help="come back if the connection is lost, and go on with the same session",
    )
    parser.add_argument("--continues", metavar="ID", help="focus session that shall go on, for one learner")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON, and nothing else")
    parser.add_argument(
        "--user", type=int, default=1, help="user id in a token made here; further learners get the next numbers (1)"
    )
    parser.add_argument("--module", type=int, default=1, help="module id in a token made here (1)")
    parser.add_argument("--section", type=int, help="section id in a token made here")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    from tqdm import tqdm

    from rtc_server.media.clip import Clip
    from rtc_server.publisher.encoded_clip import FRAMES_PER_S, encode_clip
    from rtc_server.publisher.publication import publish, run_on_fastest_loop

    if arguments.token is not None and arguments.sessions > 1:
        raise SettingsError("--token is for one learner, who can have one live session only: leave out --sessions.")
    try:
        with Clip(arguments.clip) as file:
            frames = file.frames(FRAMES_PER_S)
            total = file.frame_count(FRAMES_PER_S)
            with tqdm(total=total, desc="encoding", unit=" frames", leave=False, disable=None) as bar:
                clip = encode_clip(frames, layered=True, until_s=arguments.duration, on_picture=bar.update)
    except ClipUnreadable as error:
        print(f"rtc-server: {error}", file=sys.stderr)
        return EXIT_USAGE
    summaries = run_on_fastest_loop(
        publish(
            clip,
            arguments.url,
            _senders(arguments, settings),
            duration_s=arguments.duration,
            loop=arguments.loop,
            reconnect=arguments.reconnect,
            continues=arguments.continues,
        )
    )
    if arguments.json:
        learners = [summary.as_json() for summary in summaries]
        print(json.dumps({"url": arguments.url, "clip": str(arguments.clip), "learners": learners}))
    else:
        for summary in summaries:
            print(summary.as_line(), file=sys.stderr if summary.metrics is None else sys.stdout)
    return EXIT_FAILURE if any(summary.failed for summary in summaries) else 0


def _senders(arguments: argparse.Namespace, settings: Settings) -> "list[Sender | None]":
    from rtc_server.publisher.publication import Sender
    from rtc_server.web.access.auth import mint_token

    if arguments.token is not None:
        return [Sender(arguments.token)]
    if settings.token_secret is None:
        return [None] * arguments.sessions
    mint = partial(
        mint_token,
        settings.token_secret.get_secret_value(),
        audience=settings.token_audience,
        issuer=settings.token_issuer,
        ttl_s=TOKEN_TTL_S,
    )
    users = range(arguments.user, arguments.user + arguments.sessions)
    return [Sender(mint(Learner(user, arguments.module, arguments.section)), user) for user in users]


def _positive_int(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def _positive_float(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError
    return value


_positive_int.__name__, _positive_float.__name__ = "positive whole number", "positive number"

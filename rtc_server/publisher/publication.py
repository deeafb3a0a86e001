"""Publishes a clip as several learners at once."""

import asyncio
import signal
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass

import aiohttp
from tqdm import tqdm

from rtc_server.publisher.clip_track import ClipTrack
from rtc_server.publisher.encoded_clip import FRAMES_PER_S, EncodedClip
from rtc_server.publisher.persistent_learner import PersistentLearner
from rtc_server.publisher.published_learner import PublishedLearner, Update
from rtc_server.publisher.summary import LearnerSummary, summary_of
from rtc_server.publisher.whip_client import demo_token

CONNECTING_AT_ONCE = 4
HTTP_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Sender:
    """Who publishes."""

    token: str
    user_id: int | None = None
    """For the summary; None if only the token says it."""


async def publish(
    clip: EncodedClip,
    url: str,
    senders: Sequence[Sender | None],
    *,
    duration_s: float | None,
    loop: bool,
    reconnect: bool = False,
    continues: str | None = None,
) -> list[LearnerSummary]:
    """Sends the clip as each of the learners, shows progress on stderr, and returns a summary for each.

    reconnect: who loses the connection comes back and goes on with the same session. continues: a session that shall go
    on, of a single learner who does not reconnect. For a sender of None a demo server is asked for a user id and a
    token. Ctrl-C ends the sessions in order. Raises `ServerRefused` if there is no token. The error of a single learner
    is in its summary.
    """
    interrupted = _interrupted_by_ctrl_c()
    gate = asyncio.Semaphore(CONNECTING_AT_ONCE)
    length_s = duration_s if duration_s is not None or loop else len(clip.pictures) / FRAMES_PER_S

    def make_track(passed_s: float) -> ClipTrack:
        left_s = None if length_s is None else max(0.0, length_s - passed_s)
        return ClipTrack(clip, duration_s=left_s if passed_s else duration_s, loop=loop)

    frames = None if loop else len(clip.pictures) * len(senders)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=HTTP_TIMEOUT_S)) as http:
        known = [sender or await _sender_from_demo(http, url) for sender in senders]
        with tqdm(total=frames, desc="sending", unit=" frames", disable=None) as bar:

            def show(update: Update) -> None:
                state, metrics = update.message["state"], update.message["metrics"]
                bar.n = sum(learner.frames_sent for learner in learners)
                bar.set_postfix_str(
                    f"{state} ({update.message['reason']}), {metrics['focus_percentage']:.0f} % focused", refresh=False
                )
                bar.update(0)

            learners = [
                PersistentLearner(http, url, sender.token, make_track, on_update=show)
                if reconnect
                else PublishedLearner(http, url, sender.token, make_track(0.0), on_update=show, continues=continues)
                for sender in known
            ]
            await asyncio.gather(*(learner.run(interrupted, gate) for learner in learners))
    last = [learner.newest if isinstance(learner, PersistentLearner) else learner for learner in learners]
    return [summary_of(learner, sender.user_id) for learner, sender in zip(last, known, strict=True)]


async def _sender_from_demo(http: aiohttp.ClientSession, url: str) -> Sender:
    user_id, token = await demo_token(http, url)
    return Sender(token, user_id)


def run_on_fastest_loop(coroutine: Coroutine[None, None, list[LearnerSummary]]) -> list[LearnerSummary]:
    """uvloop halves the cost of a packet; it does not exist for Windows."""
    if sys.platform == "win32":
        return asyncio.run(coroutine)
    import uvloop

    return uvloop.run(coroutine)


def _interrupted_by_ctrl_c() -> asyncio.Event:
    """An event that the first Ctrl-C sets. A second one stops the program at once."""
    loop = asyncio.get_running_loop()
    interrupted = asyncio.Event()

    def interrupt() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        interrupted.set()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    return interrupted

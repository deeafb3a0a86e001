"""Many learners at one server, and what they saw of it in a window of time.

Real learners' cameras know nothing of each other. Nor may the load's: learners who all began the clip as they came
would send their pictures in heaps, and whoever is last in a heap waits for it. So their pictures are spread evenly
over a frame's time, and each begins elsewhere in the clip; the same for every server that is measured.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

import aiohttp

from bench.clip import beginning_at
from bench.figures import percentile
from bench.processes import SECRET, MeasuredServer
from rtc_server.learner import Learner
from rtc_server.publisher.clip_track import ClipTrack
from rtc_server.publisher.encoded_clip import FRAMES_PER_S, EncodedClip
from rtc_server.publisher.published_learner import PublishedLearner, Update
from rtc_server.web.access.auth import mint_token

Answer = tuple[float, float]
"""When it came, on the monotonic clock, and the milliseconds since its frame's last packet left."""

RewriteAnswer = Callable[[str], Awaitable[str]]

CONNECT_TIMEOUT_S = 60.0
SPREAD = "Learners' pictures are spread evenly over a frame's time, and each learner begins elsewhere in the clip."
"""What a report says of its load."""
GOLDEN = (5**0.5 - 1) / 2
"""Its multiples lie evenly between whole numbers, however many of them there are."""
SETTLE_S = 3.0
"""From everyone connected to the first measurement: the start's own costs are over, and decisions are made."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where in a frame's time, and where in the clip, one of the load's learners begins."""

    phase_s: float
    picture: int
    """Index of a keyframe."""

    @classmethod
    def of(cls, learner: int, clip: EncodedClip) -> "Start":
        """learner: counted from 0."""
        share = learner * GOLDEN % 1
        return cls(share / FRAMES_PER_S, clip.keyframe_before(int(share * len(clip.pictures))))


class Member(Protocol):
    """One learner's side of the wire, whatever the wire is."""

    answers: list[Answer]

    @property
    def frames_sent(self) -> int: ...

    async def bytes_on_wire(self) -> int:
        """Both ways, without IP and UDP or TCP headers."""


class WebRtcMember:
    def __init__(self, learner: PublishedLearner, answers: list[Answer]) -> None:
        self.learner = learner
        self.answers = answers

    @property
    def frames_sent(self) -> int:
        return self.learner.track.frames_sent

    async def bytes_on_wire(self) -> int:
        return await self.learner.bytes_on_wire()


@dataclass(frozen=True, slots=True)
class Window:
    """What happened between two moments, over all learners."""

    seconds: float
    learners: int
    frames_sent: int
    updates: int
    latencies_ms: tuple[float, ...]
    fewest_updates: int
    """Of the learner who got the fewest."""
    bytes_on_wire: int
    server_cpu_s: float
    server_rss_bytes: int

    @property
    def p50_ms(self) -> float:
        return percentile(self.latencies_ms, 50)

    @property
    def p95_ms(self) -> float:
        return percentile(self.latencies_ms, 95)

    @property
    def kbit_per_s(self) -> float:
        """Of one learner."""
        return self.bytes_on_wire * 8 / 1000 / self.seconds / self.learners

    @property
    def core_share(self) -> float:
        """Of one core, by one learner."""
        return self.server_cpu_s / self.seconds / self.learners

    @property
    def answered(self) -> float:
        """Updates for each frame sent."""
        return self.updates / self.frames_sent if self.frames_sent else 0.0


class Crowd:
    def __init__(self, server: MeasuredServer, members: Sequence[Member]) -> None:
        self.members = members
        self._server = server

    async def measure(self, seconds: float) -> Window:
        before, started = self._server.usage(), monotonic()
        frames = sum(member.frames_sent for member in self.members)
        carried = await self._bytes_on_wire()
        seen = [len(member.answers) for member in self.members]
        await asyncio.sleep(seconds)
        after = self._server.usage()
        answers = [member.answers[start:] for member, start in zip(self.members, seen, strict=True)]
        return Window(
            seconds=monotonic() - started,
            learners=len(self.members),
            frames_sent=sum(member.frames_sent for member in self.members) - frames,
            updates=sum(map(len, answers)),
            latencies_ms=tuple(latency_ms for own in answers for _, latency_ms in own),
            fewest_updates=min(map(len, answers), default=0),
            bytes_on_wire=await self._bytes_on_wire() - carried,
            server_cpu_s=after.cpu_s - before.cpu_s,
            server_rss_bytes=after.rss_bytes,
        )

    async def _bytes_on_wire(self) -> int:
        return sum([await member.bytes_on_wire() for member in self.members])


@asynccontextmanager
async def crowd(
    server: MeasuredServer,
    clip: EncodedClip,
    count: int,
    *,
    first_user: int = 1,
    settle_s: float = SETTLE_S,
    rewrite_answer: RewriteAnswer | None = None,
) -> AsyncIterator[Crowd]:
    """`count` learners, each sending the clip in a loop, connected and settled."""
    leaving = asyncio.Event()
    gate = asyncio.Semaphore(4)
    async with aiohttp.ClientSession() as http:
        members = [_member(http, server, clip, index, first_user + index, rewrite_answer) for index in range(count)]
        running = [asyncio.create_task(member.learner.run(leaving, gate)) for member in members]
        try:
            await _all_connected(members, running)
            await asyncio.sleep(settle_s)
            yield Crowd(server, members)
        finally:
            leaving.set()
            await asyncio.gather(*running)


def _member(
    http: aiohttp.ClientSession,
    server: MeasuredServer,
    clip: EncodedClip,
    index: int,
    user: int,
    rewrite_answer: RewriteAnswer | None,
) -> WebRtcMember:
    answers: list[Answer] = []

    def keep(update: Update) -> None:
        # Only what is counted: a run's worth of whole messages would keep the collector busy.
        if update.latency_ms is not None:
            answers.append((update.arrived, update.latency_ms))

    token = mint_token(SECRET, Learner(user, 1), audience="rtc-server", ttl_s=24 * 3600)
    start = Start.of(index, clip)
    track = ClipTrack(beginning_at(clip, start.picture), loop=True, phase_s=start.phase_s)
    learner = PublishedLearner(http, server.url, token, track, on_update=keep, rewrite_answer=rewrite_answer)
    return WebRtcMember(learner, answers)


async def _all_connected(members: list[WebRtcMember], running: list[asyncio.Task[None]]) -> None:
    """Raises RuntimeError with the first complaint where one does not come in."""
    connected = [asyncio.ensure_future(member.learner.connected.wait()) for member in members]
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            while not all(one.done() for one in connected):
                await asyncio.wait([*connected, *running], return_when=asyncio.FIRST_COMPLETED)
                if any(task.done() for task in running):
                    failures = [member.learner.failure for member in members if member.learner.failure]
                    raise RuntimeError(failures[0] if failures else "A learner left before it came.")
                await asyncio.wait(connected, timeout=0.05)
    finally:
        for one in connected:
            one.cancel()
        await asyncio.gather(*connected, return_exceptions=True)

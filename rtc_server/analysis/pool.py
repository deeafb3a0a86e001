"""The threads that look at pictures: as many as there are cores, shared by all peers in turn."""

import asyncio
import itertools
import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from queue import PriorityQueue
from typing import Any, Generic, Protocol, TypeVar

from rtc_server.analysis.frame_counts import FrameCounts
from rtc_server.frame import EncodedFrame
from rtc_server.token_bucket import TokenBucket

MAX_PENDING = 30
"""Frames of one peer that wait for a thread; past that only a keyframe helps."""
FRAMES_PER_S, FRAMES_BURST = 60.0, 120.0
"""Of one peer, that are decoded, which costs little; past that only a keyframe helps."""
LOOKED_AT_PER_S = 20.0
"""Frames of one peer, each the newest of those decoded in its turn: a fast camera takes no turns from others."""
UNHURRIED_PER_S, UNHURRIED_BURST = 30.0, 60.0
"""Twice the frames that senders are asked for. Who sends more has their turn when nobody else waits for one."""
MOST_WAITING = 8
"""Frames that wait together; at 30 a second six come in the longest time that one may wait."""
LOOKED_AT_BURST_S = 0.5
"""Turns saved up, as seconds at the full rate: pictures that a network held up for a moment are not lost."""

logger = logging.getLogger(__name__)


OutcomeT = TypeVar("OutcomeT")
OutcomeT_co = TypeVar("OutcomeT_co", covariant=True)


class FrameWork(Protocol[OutcomeT_co]):
    """What a lane does with frames. All of it on an analysis thread, one call at a time."""

    def process(self, frames: list[EncodedFrame]) -> OutcomeT_co | None:
        """Take all frames that came since the last call, in order. None: nothing came of them."""

    def may_wait(self, frame: EncodedFrame) -> bool:
        """Whether `frame` may be taken together with the next one. On the event loop.

        The fewer turns, the fewer looks; and a decoder whose pictures are still in the caches costs less.
        """

    def close(self) -> None:
        """Nothing follows."""


class Lane(Generic[OutcomeT]):
    """One peer's way to the threads: at most one job in flight, which takes all that is pending.

    A frame that may wait does so until one comes that may not.
    """

    def __init__(
        self,
        pool: "AnalysisPool",
        work: FrameWork[OutcomeT],
        on_outcome: Callable[[OutcomeT], None],
        on_overflow: Callable[[], None],
    ) -> None:
        self._pool = pool
        self._work = work
        self._on_outcome = on_outcome
        self._on_overflow = on_overflow
        self._lock = threading.Lock()
        self._frames = TokenBucket(FRAMES_PER_S, FRAMES_BURST)
        self._turns = TokenBucket(pool.looked_at_per_s, max(1.0, LOOKED_AT_BURST_S * pool.looked_at_per_s))
        self._unhurried = TokenBucket(UNHURRIED_PER_S, UNHURRIED_BURST)
        self.hurries = False
        """Whether it sends far more than it was asked for."""
        self._pending: list[EncodedFrame] = []
        self._due = False
        """One of them may not wait."""
        self._needs_keyframe = False
        self._queued = False
        self._closing = False
        self._closed = asyncio.Event()

    def put(self, frame: EncodedFrame) -> None:
        """Never blocks. A peer that has fallen behind, or sends too many, loses frames up to its next keyframe."""
        overflow = False
        dropped = self._pool.frames.dropped
        with self._lock:
            if self._closing or (self._needs_keyframe and not frame.keyframe):
                dropped.add("ended" if self._closing else "waiting_for_keyframe")
                return
            now = time.monotonic()
            self.hurries = not self._unhurried.take(now)
            if not self._frames.take(now):
                overflow = not self._needs_keyframe
                self._needs_keyframe = True
                dropped.add("overload")
            else:
                self._needs_keyframe = False
                if len(self._pending) >= MAX_PENDING:
                    dropped.add("overload", len(self._pending))
                    self._pending.clear()
                    overflow = self._needs_keyframe = not frame.keyframe
                if not overflow:
                    self._pending.append(frame)
                else:
                    dropped.add("overload")
                if len(self._pending) > MOST_WAITING or not self._work.may_wait(frame):
                    self._due = True
                    self._queue()
        if overflow:
            self._on_overflow()

    async def close(self) -> None:
        """Drops what is pending; returns once no thread works for this lane."""
        with self._lock:
            self._closing = True
            self._pool.frames.dropped.add("ended", len(self._pending))
            self._pending.clear()
            self._queue()
        await self._closed.wait()

    def run(self) -> None:
        """One turn, on an analysis thread."""
        with self._lock:
            frames, self._pending, self._due = self._pending, [], False
            closing = self._closing
        try:
            if closing:
                self._work.close()
            elif frames:
                self._process(frames)
        except Exception:
            logger.exception("analysis failed")
        if closing:
            self._pool.post(self._closed.set)
            return
        with self._lock:
            self._queued = False
            if self._due or self._closing:
                self._queue()

    def _process(self, frames: list[EncodedFrame]) -> None:
        outcome = self._work.process(frames)
        if outcome is not None:
            self._pool.post(partial(self._on_outcome, outcome))

    def _queue(self) -> None:
        if self._queued:
            return
        self._queued = True
        wait_s = 0.0 if self._closing else self._turns.owe(time.monotonic())
        if wait_s:
            self._pool.post_later(wait_s, self)
        else:
            self._pool.run_soon(self)


class AnalysisPool:
    """Takes lanes in the order in which they became ready: under overload every peer slows down evenly.

    Only those that send far more than they were asked for come after all others.
    """

    def __init__(self, threads: int, looked_at_per_s: float = LOOKED_AT_PER_S) -> None:
        """looked_at_per_s: frames of one peer."""
        self.looked_at_per_s = looked_at_per_s
        self.frames = FrameCounts()
        self._ready: PriorityQueue[tuple[bool, int, Lane[Any] | None]] = PriorityQueue()
        """Whether it comes after the others, and its place among its like; None ends a thread."""
        self._places = itertools.count()
        self._loop = asyncio.get_running_loop()
        self._busy_s = [0.0] * threads
        self._posted: list[Callable[[], None]] = []
        self._post_lock = threading.Lock()
        self._stopped = [asyncio.Event() for _ in range(threads)]
        self._threads = [
            threading.Thread(target=self._work, args=(index, stopped), name=f"analysis-{index}", daemon=True)
            for index, stopped in enumerate(self._stopped)
        ]
        for thread in self._threads:
            thread.start()

    def lane(
        self, work: FrameWork[OutcomeT], on_outcome: Callable[[OutcomeT], None], on_overflow: Callable[[], None]
    ) -> Lane[OutcomeT]:
        """Both are called on the event loop: with what came of a turn, and when frames were dropped and a keyframe
        is needed."""
        return Lane(self, work, on_outcome, on_overflow)

    @property
    def waiting(self) -> int:
        """Turns that are due and wait for a thread."""
        return self._ready.qsize()

    @property
    def busy_s(self) -> float:
        """How long the threads have worked, all together, in seconds."""
        return sum(self._busy_s)

    @property
    def threads(self) -> int:
        return len(self._threads)

    def post(self, callback: Callable[[], None]) -> None:
        """From a thread: run on the event loop. Callbacks that are posted close together share one wake-up."""
        with self._post_lock:
            self._posted.append(callback)
            if len(self._posted) > 1:
                return
        self._loop.call_soon_threadsafe(self._run_posted)

    def run_soon(self, lane: Lane[Any]) -> None:
        """From any thread: the lane has its turn when those before it have had theirs."""
        self._ready.put((lane.hurries, next(self._places), lane))

    def post_later(self, seconds: float, lane: Lane[Any]) -> None:
        """From any thread: the lane's turn comes after so many seconds."""

        def wait() -> None:
            self._loop.call_later(seconds, self.run_soon, lane)

        self.post(wait)

    async def close(self) -> None:
        """Ends the threads after the jobs that are queued. Close the lanes first."""
        for _ in self._threads:
            self._ready.put((True, next(self._places), None))
        for stopped in self._stopped:
            await stopped.wait()
        for thread in self._threads:
            # It has left its loop: this takes microseconds.
            thread.join()

    def _run_posted(self) -> None:
        with self._post_lock:
            posted, self._posted = self._posted, []
        for callback in posted:
            try:
                callback()
            except Exception:
                logger.exception("the result of an analysis was not delivered")

    def _work(self, index: int, stopped: asyncio.Event) -> None:
        while (lane := self._ready.get()[2]) is not None:
            began = time.monotonic()
            lane.run()
            self._busy_s[index] += time.monotonic() - began
            # A thread that waits for its next lane keeps nobody's data.
            del lane
        self.post(stopped.set)

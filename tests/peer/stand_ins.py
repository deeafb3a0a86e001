"""A registry with stand-ins for pixels and rows."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest

from rtc_server.analysis.focus_session import FocusSession
from rtc_server.analysis.pool import AnalysisPool
from rtc_server.errors import DecodeFailed
from rtc_server.focus.observation import FaceObservation, ImageQuality
from rtc_server.frame import Codec, EncodedFrame
from rtc_server.peer.peer import PeerServices
from rtc_server.peer.registry import Ownership, PeerRegistry
from rtc_server.record import FocusRecord


class Records:
    """A recorder that keeps everything."""

    def __init__(self) -> None:
        self.all: list[FocusRecord] = []
        self._news = asyncio.Event()

    def put(self, session: FocusSession) -> None:
        self.all.append(session.record())
        self._news.set()

    @property
    def last(self) -> FocusRecord:
        return self.all[-1]

    async def ended(self, count: int = 1) -> list[FocusRecord]:
        """The records of FocusSessions that have ended, once there are as many."""
        async with asyncio.timeout(10):
            while len(ended := [record for record in self.all if record.end_reason is not None]) < count:
                self._news.clear()
                await self._news.wait()
        return ended


class Analyser:
    """Sees nobody in any picture; fails when told to."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self.frames: list[EncodedFrame] = []
        self.threads: set[int] = set()
        self.failures: list[Exception] = []
        self.hold = threading.Event()
        self.hold.set()
        self.closed = False

    def analyse(self, frames: Sequence[EncodedFrame], *, skip_if_still: bool = False) -> FaceObservation | None:
        assert self.hold.wait(10)
        self.threads.add(threading.get_ident())
        self.frames += frames
        if self.failures:
            raise self.failures.pop(0)
        return FaceObservation(frames[-1].media_time_s, 160, 120, (), ImageQuality(100.0, 50.0, 100.0, 5.0))

    def close(self) -> None:
        self.closed = True


class Analysers:
    """Makes them, and remembers them."""

    def __init__(self) -> None:
        self.made: list[Analyser] = []

    def __call__(self, codec: Codec) -> Analyser:
        self.made.append(Analyser(codec))
        return self.made[-1]


@pytest.fixture
def decode_failed() -> Exception:
    return DecodeFailed("Only a keyframe helps.")


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
def analysers() -> Analysers:
    return Analysers()


@pytest.fixture
async def pool() -> AsyncIterator[AnalysisPool]:
    pool = AnalysisPool(2)
    yield pool
    await pool.close()


MakeRegistry = Callable[..., PeerRegistry]


@pytest.fixture
async def make_registry(
    analysers: Analysers, records: Records, pool: AnalysisPool
) -> AsyncIterator[Callable[..., PeerRegistry]]:
    made: list[PeerRegistry] = []

    def make(
        *, max_peers: int = 8, resume_window_s: float = 60.0, ownership: Ownership | None = None, **services: object
    ) -> PeerRegistry:
        given = PeerServices(**{"make_analyser": analysers, "recorder": records, "pool": pool} | services)
        made.append(PeerRegistry(given, max_peers=max_peers, resume_window_s=resume_window_s, ownership=ownership))
        return made[-1]

    yield make
    for registry in made:
        await registry.close()


@pytest.fixture
async def registry(make_registry: MakeRegistry) -> PeerRegistry:
    return make_registry()


async def until(condition: Callable[[], bool], what: str, step: Callable[[], Awaitable[None]] | None = None) -> None:
    """Wait for something that no event tells of."""
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"never happened: {what}")

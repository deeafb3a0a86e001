"""One peer's share of the threads, whatever it sends."""

import asyncio

from rtc_server.media.frame import EncodedFrame
from rtc_server.peer import analysis_pool
from rtc_server.peer.analysis_pool import AnalysisPool
from tests.peer.conftest import until


class Work:
    def __init__(self) -> None:
        self.turns: list[int] = []
        self.closed = False

    def process(self, frames: list[EncodedFrame]) -> None:
        self.turns.append(len(frames))

    def close(self) -> None:
        self.closed = True


def frame(*, keyframe: bool = False) -> EncodedFrame:
    return EncodedFrame(b"x", "vp8", keyframe, 0, 0.0, 0.0)


async def test_a_fast_camera_takes_no_more_turns_than_its_own(pool: AnalysisPool) -> None:
    work = Work()
    lane = pool.lane(work, lambda: None)
    began = asyncio.get_running_loop().time()
    for _ in range(25):
        lane.put(frame(keyframe=True))
        await asyncio.sleep(0.004)
    lasted = asyncio.get_running_loop().time() - began
    await lane.close()
    assert len(work.turns) <= analysis_pool.TURNS_BURST + analysis_pool.TURNS_PER_S * lasted + 1
    assert work.closed


async def test_a_turn_that_has_to_wait_takes_all_that_came_meanwhile(pool: AnalysisPool) -> None:
    work = Work()
    lane = pool.lane(work, lambda: None)
    lane._turns._left = 0.0
    for _ in range(5):
        lane.put(frame())
    await until(lambda: bool(work.turns), "its turn comes")
    assert work.turns == [5]
    await lane.close()


async def test_past_the_frames_that_are_decoded_only_a_keyframe_helps(pool: AnalysisPool) -> None:
    overflows = 0

    def overflowed() -> None:
        nonlocal overflows
        overflows += 1

    lane = pool.lane(Work(), overflowed)
    lane._frames._left, lane._frames._at = 1.0, float("inf")
    lane._frames._grow = lambda now: None  # type: ignore[method-assign]
    for _ in range(3):
        lane.put(frame())
    assert overflows == 1
    lane._frames._left = 1.0
    lane.put(frame())
    assert lane._needs_keyframe
    lane.put(frame(keyframe=True))
    assert not lane._needs_keyframe
    await lane.close()

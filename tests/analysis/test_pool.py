"""Threads shared in turn, and a step back to the loop."""

import asyncio
import threading

import pytest

from rtc_server.analysis.pool import LOOKED_AT_BURST_S, MAX_PENDING, MOST_WAITING, UNHURRIED_BURST, AnalysisPool
from rtc_server.frame import EncodedFrame
from tests.peer.stand_ins import until


def frame(number: int, *, keyframe: bool = False) -> EncodedFrame:
    return EncodedFrame(b"", keyframe, number, number / 15, 0.0)


def ignored(outcome: object) -> None:
    """What comes of it is of no interest here."""


class Work:
    """Keeps what it was given; waits where a test says so."""

    def __init__(self, journal: list[str] | None = None, name: str = "") -> None:
        self.batches: list[list[int]] = []
        self.closed = False
        self.began = threading.Event()
        self.go = threading.Event()
        self.go.set()
        self.fail = False
        self.patient = False
        self._journal = journal
        self._name = name

    def process(self, frames: list[EncodedFrame]) -> None:
        self.began.set()
        assert self.go.wait(10)
        self.batches.append([one.rtp_timestamp for one in frames])
        if self._journal is not None:
            self._journal.append(self._name)
        if self.fail:
            raise RuntimeError("a bug")

    def may_wait(self, frame: EncodedFrame) -> bool:
        return self.patient

    def close(self) -> None:
        self.closed = True


async def queued_work_is_done(pool: AnalysisPool) -> None:
    """What was ready before has been worked on, where one thread of the pool has nothing else to do."""
    done = asyncio.Event()

    class Last:
        hurries = True

        def run(self) -> None:
            pool.post(done.set)

    pool.run_soon(Last())  # type: ignore[arg-type]
    await done.wait()


async def test_one_job_at_a_time_takes_all_that_is_pending(pool: AnalysisPool) -> None:
    work = Work()
    work.go.clear()
    lane = pool.lane(work, ignored, lambda: None)
    lane.put(frame(0))
    await until(work.began.is_set, "the first job has begun")
    for number in range(1, 6):
        lane.put(frame(number))
    work.go.set()
    await until(lambda: len(work.batches) == 2, "both jobs are done")
    assert work.batches == [[0], [1, 2, 3, 4, 5]]
    await lane.close()
    assert work.closed


async def test_frames_that_may_wait_are_taken_with_the_first_that_may_not(pool: AnalysisPool) -> None:
    work = Work()
    work.patient = True
    lane = pool.lane(work, ignored, lambda: None)
    for number in (0, 1):
        lane.put(frame(number))
    work.patient = False
    lane.put(frame(2))
    await until(lambda: work.batches == [[0, 1, 2]], "those that waited go first")
    work.patient = True
    lane.put(frame(3))
    await lane.close()
    assert work.closed
    assert work.batches == [[0, 1, 2]], "who leaves waits for nothing"


async def test_no_more_than_a_few_wait_together(pool: AnalysisPool) -> None:
    """Whatever their sender says of their time."""
    work = Work()
    work.patient = True
    lane = pool.lane(work, ignored, lambda: None)
    for number in range(MOST_WAITING + 1):
        lane.put(frame(number))
    await until(lambda: work.batches == [list(range(MOST_WAITING + 1))], "enough have come")
    await lane.close()


async def test_what_comes_during_a_turn_may_wait_too() -> None:
    pool, work = AnalysisPool(threads=1), Work()
    work.go.clear()
    lane = pool.lane(work, ignored, lambda: None)
    lane.put(frame(0))
    await until(work.began.is_set, "the first job has begun")
    work.patient = True
    lane.put(frame(1))
    work.go.set()
    await queued_work_is_done(pool)
    assert work.batches == [[0]]
    work.patient = False
    lane.put(frame(2))
    await until(lambda: work.batches == [[0], [1, 2]], "the second job is done")
    await lane.close()
    await pool.close()


async def test_who_falls_behind_goes_on_with_a_keyframe(pool: AnalysisPool) -> None:
    work, asked = Work(), []
    work.go.clear()
    lane = pool.lane(work, ignored, lambda: asked.append(True))
    lane.put(frame(0))
    await until(work.began.is_set, "the first job has begun")
    for number in range(1, MAX_PENDING + 5):
        lane.put(frame(number))
    assert asked == [True]
    lane.put(frame(100, keyframe=True))
    lane.put(frame(101))
    work.go.set()
    await until(lambda: len(work.batches) == 2, "it caught up")
    assert work.batches[1] == [100, 101]
    lane.put(frame(102))
    await lane.close()
    lane.put(frame(103))
    dropped = {reason: count for reason, count in pool.frames.dropped.read().items() if count}
    seen = sum(map(len, work.batches))
    assert dropped["overload"] == MAX_PENDING + 1, "those that waited, and the one that was too many"
    assert dropped["waiting_for_keyframe"] == 3
    assert seen + sum(dropped.values()) == MAX_PENDING + 5 + 4, "each is in one place"


async def test_lanes_take_turns() -> None:
    pool = AnalysisPool(1)
    journal: list[str] = []
    works = {name: Work(journal, name) for name in ("a", "b", "c")}
    lanes = {name: pool.lane(work, ignored, lambda: None) for name, work in works.items()}
    works["a"].go.clear()
    lanes["a"].put(frame(0))
    await until(works["a"].began.is_set, "the first job has begun")
    for _ in range(10):
        lanes["a"].put(frame(1))
    for name in ("b", "c"):
        lanes[name].put(frame(1))
    works["a"].go.set()
    await until(lambda: len(journal) == 4, "all had their turn")
    assert journal == ["a", "b", "c", "a"], "who sends most does not come first"
    for lane in lanes.values():
        await lane.close()
    await pool.close()


async def test_who_sends_far_more_than_asked_for_comes_after_those_who_do_not() -> None:
    pool = AnalysisPool(1)
    journal: list[str] = []
    works = {name: Work(journal, name) for name in ("busy", "fast", "calm")}
    lanes = {name: pool.lane(work, ignored, lambda: None) for name, work in works.items()}
    works["busy"].go.clear()
    lanes["busy"].put(frame(0))
    await until(works["busy"].began.is_set, "the only thread is taken")
    works["fast"].go.clear()
    for number in range(round(UNHURRIED_BURST) + 2):
        lanes["fast"].put(frame(number, keyframe=True))
    lanes["calm"].put(frame(0))
    works["fast"].go.set()
    works["busy"].go.set()
    await until(lambda: len(journal) == 3, "all had their turn")
    assert journal == ["busy", "fast", "calm"], "what it was when it queued"
    works["busy"].began.clear()
    works["busy"].go.clear()
    lanes["busy"].put(frame(1))
    await until(works["busy"].began.is_set, "the only thread is taken again")
    lanes["fast"].put(frame(100, keyframe=True))
    lanes["calm"].put(frame(1))
    works["busy"].go.set()
    await until(lambda: len(journal) == 6, "all had their turn")
    assert journal[3:] == ["busy", "calm", "fast"]
    for lane in lanes.values():
        await lane.close()
    await pool.close()


async def test_a_bug_in_one_lane_stops_no_thread(pool: AnalysisPool, caplog: pytest.LogCaptureFixture) -> None:
    bad, good = Work(), Work()
    bad.fail = True
    lanes = [pool.lane(bad, ignored, lambda: None), pool.lane(good, ignored, lambda: None)]
    for number in range(4):
        lanes[0].put(frame(number))
        await until(lambda n=number: len(bad.batches) == n + 1, "it failed once more")
    lanes[1].put(frame(0))
    await until(lambda: good.batches == [[0]], "the other goes on")
    for lane in lanes:
        await lane.close()
    assert "a bug" in caplog.text


async def test_nothing_is_taken_after_closing() -> None:
    pool = AnalysisPool(1)
    work = Work()
    lane = pool.lane(work, ignored, lambda: None)
    await lane.close()
    lane.put(frame(0))
    await queued_work_is_done(pool)
    assert work.batches == []
    assert lane._pending == [], "and nothing is kept"
    await lane.close()
    await pool.close()


async def test_closing_waits_for_the_job_in_flight(pool: AnalysisPool) -> None:
    work = Work()
    work.go.clear()
    lane = pool.lane(work, ignored, lambda: None)
    lane.put(frame(0))
    await until(work.began.is_set, "the job has begun")
    closing = asyncio.create_task(lane.close())
    await queued_work_is_done(pool)
    assert not closing.done()
    assert not work.closed
    work.go.set()
    await closing
    assert work.closed


async def test_what_is_posted_runs_on_the_loop_in_order(pool: AnalysisPool) -> None:
    seen: list[int] = []
    threads = [
        threading.Thread(target=lambda n=n: [pool.post(lambda: seen.append(n)) for _ in range(50)]) for n in "ab"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pool.post(lambda: 1 // 0)
    pool.post(lambda: seen.append(0))
    await until(lambda: len(seen) == 101, "all have run")


@pytest.mark.parametrize("looked_at_per_s", [20.0, 5.0])
async def test_a_fast_camera_takes_no_more_turns_than_its_own(looked_at_per_s: float) -> None:
    pool = AnalysisPool(1, looked_at_per_s)
    work = Work()
    lane = pool.lane(work, ignored, lambda: None)
    began = asyncio.get_running_loop().time()
    for number in range(25):
        lane.put(frame(number, keyframe=True))
        await queued_work_is_done(pool)
    lasted = asyncio.get_running_loop().time() - began
    await lane.close()
    await pool.close()
    assert 0 < len(work.batches) <= looked_at_per_s * (LOOKED_AT_BURST_S + lasted) + 1
    assert work.closed


async def test_a_turn_that_has_to_wait_takes_all_that_came_meanwhile(pool: AnalysisPool) -> None:
    work = Work()
    lane = pool.lane(work, ignored, lambda: None)
    lane._turns._left = 0.0
    for number in range(5):
        lane.put(frame(number))
    await until(lambda: bool(work.batches), "its turn comes")
    assert work.batches == [[0, 1, 2, 3, 4]]
    await lane.close()


async def test_past_the_frames_that_are_decoded_only_a_keyframe_helps(
    pool: AnalysisPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, asked = Work(), []
    lane = pool.lane(work, ignored, lambda: asked.append(True))
    monkeypatch.setattr(lane._frames, "take", lambda now: False)
    for number in range(3):
        lane.put(frame(number, keyframe=number == 1))
    assert asked == [True]
    monkeypatch.setattr(lane._frames, "take", lambda now: True)
    lane.put(frame(3))
    lane.put(frame(4, keyframe=True))
    await until(lambda: bool(work.batches), "it goes on")
    assert work.batches == [[4]]
    await lane.close()

"""Which of several attempts counts, on a machine whose host takes its cores away."""

from collections.abc import Iterator

import pytest

from bench import run as bench_run
from bench.run import Run
from rtc_server.publisher.encoded_clip import EncodedClip
from tests.publisher.clips import encoded_bars


@pytest.fixture(scope="module")
def clip() -> EncodedClip:
    return encoded_bars(0.2, 10)


@pytest.mark.parametrize(
    ("stolen_s", "counts", "made"),
    [([0.0], 1, 1), ([0.5, 0.0], 2, 2), ([0.5, 0.2, 0.3, 0.4], 2, 4)],
    ids=["calm at once", "calm at last", "never calm"],
)
async def test_the_first_calm_attempt_counts_or_else_the_calmest(
    monkeypatch: pytest.MonkeyPatch, clip: EncodedClip, stolen_s: list[float], counts: int, made: int
) -> None:
    seconds = iter(range(100))
    attempts = 0

    def stolen() -> Iterator[float]:
        for lost in stolen_s:
            yield 0.0
            yield lost

    clock = stolen()
    monkeypatch.setattr(bench_run, "PAUSES_S", (0.0, 0.0, 0.0))
    monkeypatch.setattr(bench_run, "stolen_s", lambda: next(clock))
    monkeypatch.setattr(bench_run.time, "monotonic", lambda: float(next(seconds)))

    async def measure() -> int:
        nonlocal attempts
        attempts += 1
        return attempts

    assert await Run(clip, "bars", 1, 1.0, 1.0).calmly(measure) == counts
    assert attempts == made


async def test_what_was_reached_on_a_core_that_was_away_counts(
    monkeypatch: pytest.MonkeyPatch, clip: EncodedClip
) -> None:
    stolen = iter([0.0, 0.5])
    monkeypatch.setattr(bench_run, "stolen_s", lambda: next(stolen))

    async def measure() -> int:
        return 7

    assert await Run(clip, "bars", 1, 1.0, 1.0).calmly(measure, enough=lambda found: found == 7) == 7

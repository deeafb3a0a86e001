import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.figures import freshness, largest_carried, percentile, spread


def test_a_spread_is_a_median_with_its_ends() -> None:
    found = spread([3.0, 1.0, 2.0])

    assert (found.median, found.least, found.most, found.runs) == (2.0, 1.0, 3.0, 3)


def test_what_never_came_is_late() -> None:
    assert percentile([], 95) == float("inf")
    assert percentile([1.0, 2.0, 3.0, 4.0], 50) == 2.0


@given(carried=st.integers(0, 64), start=st.integers(1, 64))
async def test_the_search_finds_the_last_that_is_carried(carried: int, start: int) -> None:
    asked = []

    async def carries(count: int) -> bool:
        asked.append(count)
        return count <= carried

    assert await largest_carried(carries, start, 64) == carried
    assert len(asked) == len(set(asked)) <= 14


def test_fresh_while_answers_keep_coming() -> None:
    arrivals = [(index / 10 + 0.02, index / 10) for index in range(100)]

    share, longest_s = freshness(arrivals, 1.0, 9.0, within_s=0.5)

    assert share == pytest.approx(1.0)
    assert longest_s == pytest.approx(0.1)


def test_a_freeze_is_not_fresh_and_is_as_long_as_it_lasted() -> None:
    arrivals = [(0.0, 0.0), (1.0, 1.0), (3.0, 3.0)]

    share, longest_s = freshness(arrivals, 0.0, 4.0, within_s=0.5)

    assert share == pytest.approx(1.5 / 4)
    assert longest_s == pytest.approx(2.0)


def test_old_news_is_no_news() -> None:
    """What arrives late says something about a frame sent long ago, and an older frame says nothing at all."""
    share, longest_s = freshness([(1.0, 0.9), (1.2, 0.2), (2.0, 1.0)], 0.0, 2.0, within_s=0.5)

    assert share == pytest.approx(0.4 / 2)
    assert longest_s == pytest.approx(1.0)


def test_nothing_came() -> None:
    assert freshness([], 0.0, 2.0, within_s=0.5) == (0.0, 2.0)

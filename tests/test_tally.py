"""Counts and spreads, from any thread."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtc_server.tally import Histogram, Tally


def test_what_was_named_is_counted_from_zero() -> None:
    tally = Tally(("still", "newer"))
    tally.add("newer")
    tally.add("newer", 4)
    assert tally.read() == {"still": 0, "newer": 5}


def test_nothing_else_is_counted() -> None:
    """So a label has a fixed set of values, whatever a client sends."""
    tally = Tally(("still",))
    with pytest.raises(KeyError):
        tally.add("user 7")
    assert tally.read() == {"still": 0}


@given(st.lists(st.floats(0, 10)), st.lists(st.floats(0, 10), min_size=1, unique=True).map(sorted))
def test_each_bound_says_how_many_values_were_not_above_it(values: list[float], bounds: list[float]) -> None:
    histogram = Histogram(bounds)
    for value in values:
        histogram.observe(value)
    counts, total = histogram.read()
    assert counts == [*(sum(value <= bound for value in values) for bound in bounds), len(values)]
    assert total == pytest.approx(sum(values))
    assert histogram.count == len(values)


def test_threads_lose_no_count_of_each_other() -> None:
    tally, histogram = Tally(("one",)), Histogram((1.0,))

    def work() -> None:
        for _ in range(20_000):
            tally.add("one")
            histogram.observe(0.5)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tally.read() == {"one": 80_000}
    assert histogram.read() == ([80_000, 80_000], 40_000.0)

"""Properties of our doors, tried for a time and not for a number of times.

`RTC_FUZZ_SECONDS` (60) in all is shared out equally. A property is tried in rounds of examples, each round
with the next seed after `RTC_FUZZ_SEED` (0): every run of the tests tries the same examples in the same
order, as far as it gets. `make fuzz` begins at a random seed.
"""

import functools
import itertools
import os
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import HealthCheck, example, given, seed, settings
from hypothesis.strategies import SearchStrategy

SECONDS = float(os.environ.get("RTC_FUZZ_SECONDS", "60"))
FIRST_SEED = int(os.environ.get("RTC_FUZZ_SEED", "0"))
EXAMPLES_A_ROUND = 50
CPU_S = 5.0
"""That one example may take: a hundred times what any does."""

_rounds = settings(
    max_examples=EXAMPLES_A_ROUND,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
_properties: list[Callable[..., None]] = []


class NeverEnds(BaseException):
    """Not an Exception: nothing on the way may catch it, and Hypothesis is not to try it again, shorter."""


def fuzzed(
    *strategies: SearchStrategy[Any], corpus: Sequence[Any] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Makes a test a property of all that the strategies draw, and of what is kept in its corpus, as it is there.

    corpus: values of the last strategy's, or tuples of them where there are several.
    """

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        one_property = given(*strategies)(_ending(test))
        for kept in corpus:
            one_property = example(*kept if isinstance(kept, tuple) else (kept,))(one_property)
        one_property = _rounds(one_property)
        _properties.append(one_property)

        @functools.wraps(one_property)
        def repeated(*fixtures: Any, **named_fixtures: Any) -> None:
            ends = time.monotonic() + SECONDS / len(_properties)
            for number in itertools.count(FIRST_SEED):
                try:
                    seed(number)(one_property)(*fixtures, **named_fixtures)
                except BaseException as error:
                    error.add_note(
                        f"Found with RTC_FUZZ_SEED={number}. Keep what was found: see CONTRIBUTING.md, Fuzzing."
                    )
                    raise
                if time.monotonic() >= ends:
                    break

        return repeated

    return decorate


def _ending(test: Callable[..., None]) -> Callable[..., None]:
    """Fails a test that goes on and on. By its CPU time: how busy the machine is says nothing."""

    @functools.wraps(test)
    def ending(*drawn: Any, **named: Any) -> None:
        def give_up(_signal: int, _frame: object) -> None:
            raise NeverEnds(f"{test.__name__} goes on and on with {drawn!r} {named!r}")

        before = signal.signal(signal.SIGVTALRM, give_up)
        signal.setitimer(signal.ITIMER_VIRTUAL, CPU_S)
        try:
            test(*drawn, **named)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, before)

    return ending

"""When a learner counts as carried, and when a goal as met."""

from typing import Any

import pytest

from bench import capacity, peers
from bench.crowd import Window


def window(*, p95_ms: float = 20.0, fewest_updates: int = 150, **other: Any) -> Window:
    facts: dict[str, Any] = {
        "seconds": 10.0,
        "learners": 4,
        "frames_sent": 600,
        "updates": 600,
        "latencies_ms": (p95_ms,) * 10,
        "fewest_updates": fewest_updates,
        "bytes_on_wire": 2_500_000,
        "server_cpu_s": 4.0,
        "server_rss_bytes": 2**28,
    }
    return Window(**(facts | other))


def test_a_window_s_shares_are_of_one_learner() -> None:
    assert window().kbit_per_s == pytest.approx(500)
    assert window().core_share == pytest.approx(0.1)
    assert window(updates=300).answered == 0.5
    assert window(frames_sent=0).answered == 0


@pytest.mark.parametrize(
    ("p95_ms", "fewest_updates", "adaptive", "carried"),
    [
        (20.0, 150, False, True),
        (201.0, 150, False, False),
        (20.0, 100, False, False),
        (20.0, 60, True, True),
        (20.0, 40, True, False),
    ],
)
def test_carried_means_in_time_and_nobody_left_behind(
    p95_ms: float, fewest_updates: int, adaptive: bool, carried: bool
) -> None:
    assert peers._is_carried(window(p95_ms=p95_ms, fewest_updates=fewest_updates), adaptive=adaptive) is carried


def row(server: str, each: float, learners: int) -> dict[str, Any]:
    return {"server": server, **dict.fromkeys(peers.COLUMNS, each), "learners": learners}


def test_ahead_in_every_column_or_named_where_not() -> None:
    ours, adaptive, old = row("rtc-server, full rate", 1, 10), row("rtc-server, adaptive", 1, 20), row(peers.OLD, 20, 5)

    goals = peers._goals([ours, adaptive, row("fastrtc", 2, 5), old])
    as_it_comes, _, _, at_full_rate, *_ = peers._goals([ours, adaptive, row("fastrtc", 2, 12), old])

    assert [goal.met for goal in goals] == [True] * 6
    assert as_it_comes.met
    assert (at_full_rate.met, at_full_rate.result) == (False, "behind the learners of fastrtc")


def test_learners_are_judged_as_a_multiple_of_what_floors_alone_would_fill() -> None:
    case = capacity.Case("made", "adaptive", start=20, aim=2.2)

    enough, too_few = (capacity._goal(case, {"of_it": of_it}) for of_it in (2.2, 2.19))

    assert (enough.met, enough.result) == (True, "2.20")
    assert not too_few.met

"""Media time is the sender's, as long as that is believable."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtc_server.rtp.media_clock import MAX_AHEAD_S, MAX_BEHIND_S, MediaClock


def test_it_starts_at_nought_and_follows_the_timestamps() -> None:
    clock = MediaClock()
    assert clock.at(4_000_000_000, 100.0) == 0.0
    assert clock.at(4_000_000_000 + 90_000, 101.03) == 1.0
    assert clock.now(101.53) == pytest.approx(1.5)


def test_it_goes_on_past_the_wrap() -> None:
    clock = MediaClock()
    clock.at(2**32 - 45_000, 0.0)
    assert clock.at(45_000, 1.0) == 1.0


def test_it_goes_on_over_several_wraps() -> None:
    clock = MediaClock()
    times = [clock.at(frame * 2**30 % 2**32, frame * 2**30 / 90_000) for frame in range(13)]
    assert times == pytest.approx([frame * 2**30 / 90_000 for frame in range(13)])


def test_a_frame_that_comes_behind_its_successor_moves_nothing() -> None:
    clock = MediaClock()
    clock.at(0, 0.0)
    assert clock.at(90_000, 1.0) == 1.0
    assert clock.at(84_000, 1.01) == 1.0, "media time does not run back"
    assert clock.at(96_000, 1.06) == pytest.approx(96_000 / 90_000), "and what came late shifts nothing that follows"


def test_up_to_its_bounds_the_sender_is_believed() -> None:
    ahead, behind = MediaClock(), MediaClock()
    ahead.at(0, 0.0)
    behind.at(0, 0.0)
    assert ahead.at(round(90_000 * (1 + MAX_AHEAD_S)), 1.0) == 1 + MAX_AHEAD_S
    assert behind.at(90_000, 1 + MAX_BEHIND_S) == 1.0


@pytest.mark.parametrize("jump", [90_000 * 60, -90_000 * 60])
def test_each_of_several_jumps_earns_nothing(jump: int) -> None:
    clock = MediaClock()
    clock.at(0, 0.0)
    for second in range(1, 6):
        assert clock.at((second * (90_000 + jump)) % 2**32, second) == pytest.approx(second)
    assert clock.at((5 * (90_000 + jump) + 45_000) % 2**32, 5.6) == pytest.approx(5.5), "and then it is believed again"


@pytest.mark.parametrize("jump", [90_000 * 3600, 2**31 - 1, -90_000 * 3600, 2**31])
def test_a_jump_earns_nothing(jump: int) -> None:
    clock = MediaClock()
    clock.at(0, 0.0)
    clock.at(90_000, 1.0)
    assert clock.at((90_000 + 6_000 + jump) % 2**32, 1.0667) == pytest.approx(1.0667)
    assert clock.at((90_000 + 12_000 + jump) % 2**32, 1.1333) == pytest.approx(1.1333, abs=1e-3)


def test_a_clock_that_runs_too_fast_earns_nothing() -> None:
    clock = MediaClock()
    times = [clock.at(frame * 12_000, frame / 15) for frame in range(15 * 60)]
    assert times[-1] <= 60 + MAX_AHEAD_S


def test_a_sender_that_stood_still_is_caught_up() -> None:
    clock = MediaClock()
    clock.at(0, 0.0)
    assert clock.at(6_000, 60.0) == 60.0


def test_a_continued_session_goes_on_from_where_it_was() -> None:
    clock = MediaClock(20.0, since=1000.0)
    assert clock.now(1003.0) == 23.0
    assert clock.at(123_456, 1004.0) == 24.0
    assert clock.at(123_456 + 90_000, 1005.0) == 25.0


def test_before_any_frame_no_time_has_passed() -> None:
    assert MediaClock().now(5.0) == 0.0


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.floats(0.001, 1.0)), min_size=1))
def test_it_never_runs_back_nor_away(frames: list[tuple[int, float]]) -> None:
    clock = MediaClock()
    now, last = 50.0, 0.0
    for timestamp, step in frames:
        now += step
        time = clock.at(timestamp, now)
        assert time >= last
        assert time <= now - 50.0 + MAX_AHEAD_S + MAX_BEHIND_S
        last = time

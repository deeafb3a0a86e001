"""Media time is the sender's, as long as that is believable."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtc_server.rtp.media_clock import MAX_AHEAD_S, MAX_BEHIND_S, MediaClock


def test_it_starts_at_nought_and_follows_the_timestamps() -> None:
    clock = MediaClock()
    connection = clock.connection()
    assert connection.at(4_000_000_000, 100.0) == 0.0
    assert connection.at(4_000_000_000 + 90_000, 101.03) == 1.0
    assert clock.now(101.53) == pytest.approx(1.5)


def test_it_goes_on_past_the_wrap() -> None:
    clock = MediaClock().connection()
    clock.at(2**32 - 45_000, 0.0)
    assert clock.at(45_000, 1.0) == 1.0


def test_it_goes_on_over_several_wraps() -> None:
    clock = MediaClock().connection()
    times = [clock.at(frame * 2**30 % 2**32, frame * 2**30 / 90_000) for frame in range(13)]
    assert times == pytest.approx([frame * 2**30 / 90_000 for frame in range(13)])


def test_a_frame_that_comes_behind_its_successor_moves_nothing() -> None:
    clock = MediaClock().connection()
    clock.at(0, 0.0)
    assert clock.at(90_000, 1.0) == 1.0
    assert clock.at(84_000, 1.01) == 1.0, "media time does not run back"
    assert clock.at(96_000, 1.06) == pytest.approx(96_000 / 90_000), "and what came late shifts nothing that follows"


def test_up_to_its_bounds_the_sender_is_believed() -> None:
    ahead, behind = MediaClock().connection(), MediaClock().connection()
    ahead.at(0, 0.0)
    behind.at(0, 0.0)
    assert ahead.at(round(90_000 * (1 + MAX_AHEAD_S)), 1.0) == 1 + MAX_AHEAD_S
    assert behind.at(90_000, 1 + MAX_BEHIND_S) == 1.0


@pytest.mark.parametrize("jump", [90_000 * 60, -90_000 * 60])
def test_each_of_several_jumps_earns_nothing(jump: int) -> None:
    clock = MediaClock().connection()
    clock.at(0, 0.0)
    for second in range(1, 6):
        assert clock.at((second * (90_000 + jump)) % 2**32, second) == pytest.approx(second)
    assert clock.at((5 * (90_000 + jump) + 45_000) % 2**32, 5.6) == pytest.approx(5.5), "and then it is believed again"


@pytest.mark.parametrize("jump", [90_000 * 3600, 2**31 - 1, -90_000 * 3600, 2**31])
def test_a_jump_earns_nothing(jump: int) -> None:
    clock = MediaClock().connection()
    clock.at(0, 0.0)
    clock.at(90_000, 1.0)
    assert clock.at((90_000 + 6_000 + jump) % 2**32, 1.0667) == pytest.approx(1.0667)
    assert clock.at((90_000 + 12_000 + jump) % 2**32, 1.1333) == pytest.approx(1.1333, abs=1e-3)


def test_a_clock_that_runs_too_fast_earns_nothing() -> None:
    clock = MediaClock().connection()
    times = [clock.at(frame * 12_000, frame / 15) for frame in range(15 * 60)]
    assert times[-1] <= 60 + MAX_AHEAD_S


def test_a_sender_that_stood_still_is_caught_up() -> None:
    clock = MediaClock().connection()
    clock.at(0, 0.0)
    assert clock.at(6_000, 60.0) == 60.0


def test_a_continued_session_goes_on_in_real_time() -> None:
    clock = MediaClock()
    first = clock.connection()
    first.at(0, 1000.0)
    assert first.at(90_000, 1001.0) == 1.0
    second = clock.connection()
    assert clock.now(1003.0) == 3.0
    assert second.at(123_456, 1004.0) == 4.0
    assert second.at(123_456 + 90_000, 1005.0) == 5.0


def test_who_is_ahead_waits_until_real_time_has_caught_up() -> None:
    clock = MediaClock()
    first = clock.connection()
    first.at(0, 10.0)
    assert first.at(2 * 90_000, 10.1) == 2.0
    assert clock.caught_up_at(10.1) == 12.0
    second = clock.connection()
    assert [second.at(round(90_000 * s), 10.2 + s) for s in (0, 1, 2)] == pytest.approx([2.0, 2.0, 2.2])
    assert clock.caught_up_at(13.0) == 13.0


def test_a_clock_may_begin_later_than_the_first_picture() -> None:
    clock = MediaClock(not_before=20.0)
    connection = clock.connection()
    times = [connection.at(round(90_000 * s), 19.0 + s) for s in (0, 0.5, 1, 2)]
    assert times == pytest.approx([0.0, 0.0, 0.0, 1.0])


def test_before_any_frame_no_time_has_passed() -> None:
    assert MediaClock().now(5.0) == 0.0
    assert MediaClock().caught_up_at(5.0) == 5.0


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("frame"), st.integers(0, 2**32 - 1), st.floats(0.001, 2.0)),
        st.tuples(st.just("frame after"), st.integers(0, 90_000), st.floats(0.001, 0.2)),
        st.tuples(st.just("connection"), st.just(0), st.floats(0.001, 2.0)),
        st.tuples(st.just("session"), st.just(0), st.floats(0.001, 2.0)),
        st.tuples(st.just("server"), st.just(0), st.floats(0.001, 2.0)),
        st.tuples(st.just("look"), st.just(0), st.floats(0.001, 10.0)),
    ),
    min_size=1,
    max_size=80,
)


@given(STEPS)
def test_it_never_runs_back_nor_away_over_any_sequence_of_connections(steps: list[tuple[str, int, float]]) -> None:
    """Nor on any sequence of servers, nor do several FocusSessions of one learner, one after the other."""
    began = now = 50.0
    ended_s = last_s = framed_s = 0.0
    timestamp = 0
    clock = MediaClock()
    connection = clock.connection()
    for step, number, passed_s in steps:
        now += passed_s
        if step == "connection":
            connection = clock.connection()
        elif step == "server" and clock.began is not None:
            clock = MediaClock.going_on(clock.began, clock.now(now), now)
            connection = clock.connection()
        elif step == "session":
            ended_s, last_s, framed_s = ended_s + last_s, 0.0, 0.0
            clock = MediaClock(not_before=clock.caught_up_at(now))
            connection = clock.connection()
        elif step == "look":
            last_s = max(last_s, clock.now(now))
        elif step != "server":
            timestamp = number if step == "frame" else timestamp + number
            shown_s = connection.at(timestamp % 2**32, now)
            assert shown_s >= framed_s
            framed_s, last_s = shown_s, max(last_s, shown_s)
        assert ended_s + last_s <= now - began + MAX_AHEAD_S + 1e-6

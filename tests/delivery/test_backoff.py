import pytest

from rtc_server.delivery.backoff import LONGEST_S, MOST_ATTEMPTS, again_in_s


def test_waits_grow_for_about_a_day_and_then_there_is_no_more() -> None:
    waits = [again_in_s(attempt, 0.5) for attempt in range(1, MOST_ATTEMPTS)]
    assert waits[:3] == [5.0, 10.0, 20.0]
    assert waits == sorted(waits)
    assert max(waits) == LONGEST_S
    assert 20 * 3600 < sum(waits) < 28 * 3600
    assert again_in_s(MOST_ATTEMPTS, 0.5) is None


def test_what_failed_together_does_not_come_back_together() -> None:
    assert again_in_s(1, 0.0) == pytest.approx(4.0)
    assert again_in_s(1, 0.999) == pytest.approx(6.0, abs=0.01)


def test_a_receiver_may_ask_for_more_time_but_not_for_ever() -> None:
    assert again_in_s(1, 0.5, retry_after_s=120.0) == 120.0
    assert again_in_s(1, 0.5, retry_after_s=1.0) == 5.0
    assert again_in_s(1, 0.5, retry_after_s=10.0**9) == LONGEST_S

"""So many at once, and so many a second after that."""

from hypothesis import given
from hypothesis import strategies as st

from rtc_server.token_bucket import TokenBucket


def test_a_burst_then_a_rate():
    allowance = TokenBucket(per_s=10.0, burst=3.0)
    assert [allowance.take(5.0) for _ in range(4)] == [True, True, True, False]
    assert not allowance.take(5.05)
    assert allowance.take(5.11)
    assert [allowance.take(100.0) for _ in range(4)] == [True, True, True, False]


def test_what_does_not_fit_takes_nothing() -> None:
    allowance = TokenBucket(per_s=1000.0, burst=1500.0)
    assert allowance.take(0.0, 1000)
    assert not allowance.take(0.0, 501)
    assert allowance.take(0.0, 500)
    assert not allowance.take(0.4, 401)
    assert allowance.take(0.5, 500)


def test_what_is_owed_waits():
    allowance = TokenBucket(per_s=10.0, burst=1.0)
    assert allowance.owe(0.0) == 0.0
    assert round(allowance.owe(0.0), 6) == 0.1
    assert round(allowance.owe(0.1), 6) == 0.1
    assert allowance.owe(9.0) == 0.0


@given(pauses=st.lists(st.floats(0, 2), max_size=200))
def test_never_more_than_the_rate(pauses):
    allowance, now, taken = TokenBucket(per_s=4.0, burst=5.0), 0.0, 0
    for pause in pauses:
        now += pause
        taken += allowance.take(now)
    assert taken <= 5 + 4 * now + 1e-6

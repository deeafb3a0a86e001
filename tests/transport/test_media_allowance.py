"""How much media one client may send, in virtual time."""

from rtc_server.transport.media_allowance import BURST_S, TOLERANCE, MediaAllowance, MediaLimits


def sent(allowance: MediaAllowance, size: int, per_s: float, seconds: float) -> int:
    """How many packets get through of a stream that never falters."""
    return sum(allowance.take(size, number / per_s) for number in range(round(per_s * seconds)))


def test_a_few_times_what_was_asked_for_is_still_taken() -> None:
    allowance = MediaAllowance(MediaLimits(bitrate_kbps=300))
    per_s = 30 * TOLERANCE
    assert sent(allowance, 1250, per_s=per_s, seconds=60) == per_s * 60
    assert allowance.dropped_packets == 0


def test_past_that_a_client_is_held_to_it_and_what_is_dropped_is_counted() -> None:
    allowance = MediaAllowance(MediaLimits(bitrate_kbps=300))
    taken = sent(allowance, 1250, per_s=500, seconds=60)
    assert taken * 1250 * 8 <= TOLERANCE * 300_000 * (60 + BURST_S)
    assert taken * 1250 * 8 >= TOLERANCE * 300_000 * 60
    assert allowance.dropped_packets == 500 * 60 - taken


def test_a_large_keyframe_comes_through_at_once() -> None:
    allowance = MediaAllowance(MediaLimits())
    assert all(allowance.take(1200, 0.0) for _ in range(350))


def test_small_packets_are_counted_too() -> None:
    allowance = MediaAllowance(MediaLimits(packets_per_s=100))
    assert 100 * 10 <= sent(allowance, 20, per_s=1000, seconds=10) <= 100 * (10 + BURST_S)

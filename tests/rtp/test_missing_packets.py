"""When a missing packet is asked for, and what its answer tells of the way."""

import pytest

from rtc_server.rtp.missing_packets import MAX_REQUESTS, MissingPackets
from rtc_server.rtp.packet_counts import PacketCounts


@pytest.fixture
def missing() -> MissingPackets:
    return MissingPackets()


def requests(missing: MissingPackets, seconds: float, start: float = 0.0, step: float = 0.005) -> list[float]:
    """When something was asked for, in seconds from `start`."""
    times = [round(number * step, 3) for number in range(round(seconds / step))]
    return [at for at in times if missing.due(start + at)]


def ask_and_answer(missing: MissingPackets, sequence: int, start: float, round_trip_s: float) -> None:
    missing.note(sequence, sequence + 1, start)
    requests(missing, round_trip_s, start)
    missing.found(sequence, start + round_trip_s)


def test_a_request_is_echoed_once_and_repeated_after_a_round_trip(missing: MissingPackets) -> None:
    missing.note(1, 2, 0.0)
    assert requests(missing, 0.3) == pytest.approx([0.0, 0.015, 0.12, 0.135, 0.24, 0.255])


def test_requests_end(missing: MissingPackets) -> None:
    missing.note(1, 2, 0.0)
    assert len(requests(missing, 10.0)) == MAX_REQUESTS


@pytest.mark.parametrize("round_trip_s", [0.02, 0.05, 0.1, 0.2])
def test_the_round_trip_is_learnt(missing: MissingPackets, round_trip_s: float) -> None:
    """Though what takes long is asked for more than once, so that an answer might be one to either request."""
    for sequence in range(60):
        ask_and_answer(missing, sequence, float(sequence), round_trip_s)
    assert missing.rtt_s == pytest.approx(round_trip_s, rel=0.2)


def test_a_lost_answer_hardly_counts(missing: MissingPackets) -> None:
    for sequence in range(60):
        ask_and_answer(missing, sequence, float(sequence), 0.22 if sequence % 10 == 0 else 0.1)
    assert missing.rtt_s == pytest.approx(0.1, rel=0.2)


def test_a_packet_that_was_overtaken_hardly_counts(missing: MissingPackets) -> None:
    for sequence in range(60):
        ask_and_answer(missing, sequence, float(sequence), 0.02 if sequence % 2 else 0.1)
    assert missing.rtt_s == pytest.approx(0.1, rel=0.2)


def test_on_a_short_way_requests_are_not_echoed(missing: MissingPackets) -> None:
    for sequence in range(60):
        ask_and_answer(missing, sequence, float(sequence), 0.02)
    missing.note(100, 101, 100.0)
    assert requests(missing, 0.1, 100.0) == pytest.approx([0.0, 0.04, 0.08], abs=0.006)
    assert missing.unsure_after_s == pytest.approx(0.12)


def test_where_answers_take_now_less_now_more_they_are_waited_for_longer(missing: MissingPackets) -> None:
    for sequence in range(60):
        ask_and_answer(missing, sequence, float(sequence), (0.1, 0.14)[sequence % 2])
    assert missing.unsure_after_s > 0.125


def test_what_is_new_is_asked_for_at_once(missing: MissingPackets) -> None:
    """Though what was asked for before is not looked at again so soon."""
    missing.note(1, 2, 0.0)
    assert missing.due(0.0) == (1,)
    missing.note(2, 4, 0.001)
    assert missing.due(0.001) == (2, 3)


def test_what_became_of_them_is_counted() -> None:
    counts = PacketCounts()
    missing = MissingPackets(counts)
    missing.note(1, 4, 0.0)
    missing.found(1, 0.001)
    missing.due(0.002)
    missing.found(2, 0.05)
    missing.found(2, 0.06)
    missing.forget_before(10)
    missing.found(3, 0.07)
    assert (counts.missing, counts.late, counts.repaired) == (3, 1, 1), "one was lost"

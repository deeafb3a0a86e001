"""Which worker takes a newcomer."""

import random
from dataclasses import replace

from rtc_server.fleet.placement import RELAYED_S, Placement
from rtc_server.fleet.stress import LATE_S, NEWCOMER_S, Stress
from rtc_server.fleet.worker import Worker, owner_of

HERE = Worker("here", "http://here", 0.5, 10, "1")


def other(name: str, stress: float, **more: object) -> Worker:
    return replace(HERE, worker_id=name, private_url=f"http://{name}", stress=stress, **more)  # type: ignore[arg-type]


def names(workers: list[Worker]) -> list[str]:
    return [worker.worker_id for worker in workers]


def test_a_newcomer_goes_where_there_is_more_room() -> None:
    others = [other("full", 1.0), other("quiet", 0.1), other("quieter", 0.0)]
    assert names(Placement().order(HERE, others, 0.0)) == ["quieter", "quiet", "here", "full"]


def test_a_newcomer_is_not_relayed_for_less_than_a_place() -> None:
    assert names(Placement().order(HERE, [other("other", 0.41)], 0.0)) == ["here", "other"]
    assert names(Placement().order(HERE, [other("other", 0.4)], 0.0)) == ["other", "here"]


def test_who_drains_gets_nobody_and_sends_everybody_away() -> None:
    assert names(Placement().order(HERE, [other("leaving", 0.0, draining=True)], 0.0)) == ["here"]
    leaving = replace(HERE, draining=True, stress=0.0)
    assert names(Placement().order(leaving, [other("full", 0.9)], 0.0)) == ["full", "here"]


def test_what_was_just_relayed_is_counted_until_the_report_shows_it() -> None:
    placement, quiet = Placement(), other("quiet", 0.3)
    assert names(placement.order(HERE, [quiet], 0.0))[0] == "quiet"
    placement.relayed(quiet, 0.0)
    assert names(placement.order(HERE, [quiet], 0.1))[0] == "quiet"
    placement.relayed(quiet, 0.1)
    assert names(placement.order(HERE, [quiet], 0.2))[0] == "here"
    assert names(placement.order(HERE, [quiet], 0.2 + RELAYED_S))[0] == "quiet"


def test_forty_newcomers_spread_over_four_workers() -> None:
    """Each arrives anywhere, and sees two others that chance picks."""
    worst = 0
    for seed in range(50):
        chance, peers = random.Random(seed), dict.fromkeys("abcd", 0)
        placements = {name: Placement() for name in peers}
        for number in range(40):
            workers = {name: other(name, count / 16, capacity=16) for name, count in peers.items()}
            landed = chance.choice("abcd")
            picked = [workers[name] for name in chance.sample("abcd", 3)]
            chosen = placements[landed].order(workers[landed], picked, number / 40)[0]
            peers[chosen.worker_id] += 1
        worst = max(worst, *peers.values())
    assert worst <= 12


def test_stress_is_the_largest_of_places_threads_and_lateness() -> None:
    busy_s = 0.0
    stress = Stress(busy_s=lambda: busy_s, threads=2, capacity=10)
    assert stress.measure(0.0, 3, 0.0) == 0.3
    for second in range(1, 30):
        busy_s += 1.6  # of two threads
        used = stress.measure(float(second), 3, 0.0)
    assert round(used, 2) == 0.8
    for second in range(30, 60):
        late = stress.measure(float(second), 3, LATE_S)
    assert round(late, 2) == 1.0


def test_a_newcomer_counts_until_the_measured_use_shows_what_it_costs() -> None:
    busy_s = 0.0
    stress = Stress(busy_s=lambda: busy_s, threads=1, capacity=10)
    for second in range(30):
        busy_s += 0.5
        stress.measure(float(second), 1, 0.0)
    stress.newcomer(30.0)
    stress.newcomer(30.0)
    busy_s += 0.5
    assert round(stress.measure(30.0, 3, 0.0), 2) == 0.7
    busy_s += 0.5 * NEWCOMER_S
    assert round(stress.measure(30.1 + NEWCOMER_S, 3, 0.0), 2) == 0.5


def test_a_peers_id_names_its_owner() -> None:
    assert owner_of("4f6c2d1e-0000.secret") == "4f6c2d1e-0000"
    assert owner_of("secret") is None


def test_what_another_version_wrote_is_no_worker() -> None:
    assert Worker.from_json(HERE.to_json()) == HERE
    assert Worker.from_json(b'{"worker_id": 5}') is None
    assert Worker.from_json(b"nonsense") is None

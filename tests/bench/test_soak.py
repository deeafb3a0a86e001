"""What the soak says about samples."""

from bench.soak import MOST_GROWTH, Process, flat


def held(descriptors: float) -> dict[str, float]:
    return {"descriptors": descriptors, "threads": 7, "tasks": 20, "memory_mb": 250}


def test_the_first_third_is_set_beside_the_last() -> None:
    process = Process("worker 1", 1, "", [held(count) for count in (39, 40, 90, 50, 50, 10, 41, 43, 42)])

    first, last = process.rows()

    assert (first["descriptors"], last["descriptors"]) == (40, 42)


def test_the_one_that_grew_most_counts() -> None:
    steady = Process("worker 1", 1, "", [held(40), held(40), held(40)])
    grows = Process("worker 2", 2, "", [held(40), held(45), held(50)])

    goals = {goal.aim.partition(":")[0]: goal for goal in flat([steady, grows])}

    assert len(goals) == len(MOST_GROWTH)
    assert not goals["descriptors"].met
    assert goals["descriptors"].result == "+10.0"
    assert goals["threads"].met

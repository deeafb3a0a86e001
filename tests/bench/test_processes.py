"""Server and load, each on cores of its own."""

import os

from bench import processes


def test_the_server_keeps_its_core_once_the_load_has_left_it(monkeypatch):
    affinity = {3, 5, 7}
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(affinity))
    monkeypatch.setattr(os, "sched_setaffinity", lambda _pid, mine: affinity.intersection_update(mine))
    processes.cores.cache_clear()
    try:
        processes.take_the_load_s_cores()
        assert affinity == {5, 7}
        assert processes.cores() == (3, [5, 7])
    finally:
        processes.cores.cache_clear()

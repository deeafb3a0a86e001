"""Which worker takes a newcomer: the least stressed of a few that chance picks (the power of two choices).

The best of all would not be better: everybody who asks at the same moment would choose the same one.
M. Mitzenmacher, The Power of Two Choices in Randomized Load Balancing, IEEE TPDS 12(10), 2001.
"""

from collections.abc import Iterable

from rtc_server.fleet.worker import Worker

RELAYED_S = 1.0
"""So long what was just relayed to a worker is counted here: its own report may not show it yet."""


class Placement:
    def __init__(self) -> None:
        self._relayed: list[tuple[float, str]] = []
        """When, and to which worker."""

    def order(self, here: Worker, others: Iterable[Worker], now: float) -> list[Worker]:
        """Whom to ask, the best first. now: monotonic, in seconds.

        Who is here stays here, unless another worker is better by more than one place.
        """
        self._relayed = [(at, worker_id) for at, worker_id in self._relayed if at > now - RELAYED_S]
        usable = [worker for worker in others if not worker.draining and worker.worker_id != here.worker_id]
        better = [worker for worker in usable if self._expected(worker) + worker.place <= here.stress or here.draining]
        worse = [worker for worker in usable if worker not in better]
        return [*sorted(better, key=self._expected), here, *sorted(worse, key=self._expected)]

    def relayed(self, worker: Worker, now: float) -> None:
        """A newcomer was sent there."""
        self._relayed.append((now, worker.worker_id))

    def _expected(self, worker: Worker) -> float:
        return worker.stress + worker.place * sum(worker_id == worker.worker_id for _, worker_id in self._relayed)

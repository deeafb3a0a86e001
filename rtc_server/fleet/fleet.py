"""This server among the others: what it tells them, and whom it would give a newcomer to."""

import time
from collections.abc import Callable
from dataclasses import replace

from redis.asyncio import Redis

from rtc_server.fleet.directory import Directory
from rtc_server.fleet.placement import Placement
from rtc_server.fleet.stress import Stress
from rtc_server.fleet.worker import Worker


class Fleet:
    """Use it from the event loop."""

    def __init__(
        self,
        redis: Redis,
        *,
        worker_id: str,
        version: str,
        capacity: int,
        peers: Callable[[], int],
        draining: Callable[[], bool],
        stress: Stress,
    ) -> None:
        self._peers = peers
        self._draining = draining
        self._stress = stress
        self._placement = Placement()
        self._here = Worker(worker_id, "", 0.0, capacity, version)
        self._told_peers = 0
        self._directory = Directory(redis, self.report)

    @property
    def away(self) -> bool:
        """The directory does not answer: newcomers stay where they arrive."""
        return self._directory.away

    @property
    def worker_id(self) -> str:
        """This server's own."""
        return self._here.worker_id

    def report(self, late_s: float = 0.0) -> Worker:
        """This server as it is now. late_s: how much later than planned the loop came to this."""
        now, peers = time.monotonic(), self._peers()
        for _ in range(peers - self._told_peers):
            self._stress.newcomer(now)
        self._told_peers = peers
        stress = self._stress.measure(now, peers, late_s)
        return replace(self._here, stress=stress, draining=self._draining())

    async def start(self, private_url: str) -> None:
        """private_url: where the others reach this server."""
        self._here = replace(self._here, private_url=private_url)
        await self._directory.start()

    async def close(self) -> None:
        await self._directory.close()

    async def order(self) -> list[Worker]:
        """Whom to ask for a place, the best first."""
        others = await self._directory.others()
        return self._placement.order(self.report(), others, time.monotonic())

    async def find(self, worker_id: str) -> Worker | None:
        """Raises FleetUnreachable if nobody can tell."""
        return await self._directory.find(worker_id)

    def taken(self, worker: Worker) -> None:
        """A newcomer was taken there, or here."""
        if worker.worker_id == self.worker_id:
            self._directory.changed()
        else:
            self._placement.relayed(worker, time.monotonic())

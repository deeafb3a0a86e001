"""A server, as the others see it."""

from dataclasses import dataclass

from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True)
class Worker:
    worker_id: str
    """Its `server_id`, as leases and sessions have it."""
    private_url: str
    """Where the other workers reach it, such as `http://10.0.0.5:41234`."""
    stress: float
    """0: nothing to do. 1: no place for one more."""
    capacity: int
    """Peers, at most."""
    version: str
    draining: bool = False

    @property
    def place(self) -> float:
        """What one more peer adds to the stress."""
        return 1.0 / self.capacity

    def to_json(self) -> bytes:
        return _WORKER.dump_json(self)

    @classmethod
    def from_json(cls, content: bytes) -> "Worker | None":
        """None for what another version wrote and this one does not understand."""
        try:
            return _WORKER.validate_json(content)
        except ValueError:
            return None


_WORKER = TypeAdapter(Worker)


def owner_of(peer_id: str) -> str | None:
    """The worker that a peer's id names; None for an id without one."""
    worker_id, _, _ = peer_id.rpartition(".")
    return worker_id or None

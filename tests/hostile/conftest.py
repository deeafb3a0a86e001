"""The registry of tests/peer, with its stand-ins for pixels and rows."""

from tests.peer.stand_ins import analysers, make_registry, pool, records, registry

__all__ = ["analysers", "make_registry", "pool", "records", "registry"]

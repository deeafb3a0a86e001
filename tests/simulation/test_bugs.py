"""The simulation finds bugs: five that were put in by hand, one in each place that the promises rest on."""

import itertools
from collections.abc import Sequence

import pytest

from rtc_server.store import progress
from rtc_server.store.leases import Leases
from rtc_server.store.progress import StoredProgress, Verdict
from rtc_server.store.spool.spooler import Spooler
from rtc_server.store.unsaved_session import UnsavedSession
from rtc_server.store.writer import FocusWriter
from tests.simulation import servers
from tests.simulation.database import Database
from tests.simulation.servers import Outcome
from tests.simulation.test_simulation import FAULTS, SCRIPTS
from tests.simulation.world import World


def found() -> list[str]:
    """What the first run with something broken says."""
    for step, outcome, script in itertools.product([0, *range(2, 16, 3)], FAULTS, SCRIPTS.values()):
        if broken := World({step: outcome}, script).run().broken():
            return broken
    return []


def test_without_a_bug_nothing_is_found() -> None:
    assert World({4: Outcome.DONE_THEN_FAILS}, SCRIPTS["a kill"]).run().broken() == []


def test_a_fence_that_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(record: object, stored: StoredProgress | None, *, spooled: bool) -> Verdict:
        return Verdict.WRITTEN

    monkeypatch.setattr(progress, "verdict", careless)
    assert any("a server without it" in one for one in found())


def test_a_write_that_failed_and_is_taken_for_done(monkeypatch: pytest.MonkeyPatch) -> None:
    write = FocusWriter._write

    async def forgetful(self: FocusWriter, entries: Sequence[UnsavedSession]) -> Exception | None:
        error = await write(self, entries)
        for entry in entries if error is not None else ():
            entry.dirty = False
            self._spooler.drop(entry.record)
        return error

    monkeypatch.setattr(FocusWriter, "_write", forgetful)
    assert any("lost" in one for one in found())


def test_a_spool_that_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Spooler, "keep", lambda _self, _record: None)
    assert any("lost" in one for one in found())


def test_a_claim_that_does_not_raise_the_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    claim = Database.claim

    def same_fence(self: Database, key: str, *arguments: object) -> object:
        before = self.sessions.get(key)
        taken = claim(self, key, *arguments)  # type: ignore[arg-type]
        if taken is not None and before is not None:
            object.__setattr__(taken, "fence", before.fence)
        return taken

    monkeypatch.setattr(Database, "claim", same_fence)
    assert found()


def test_orphans_that_nobody_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    async def idle(_self: Leases) -> None:
        pass

    monkeypatch.setattr(Leases, "_close_orphans", idle)
    # Both learners are gone before their servers are back: nobody goes on with their sessions.
    monkeypatch.setattr("tests.simulation.world.COMES_BACK_AFTER_S", 60.0)
    assert any("never ended" in one for one in found())


def test_a_save_interval_of_three_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "SAVE_INTERVAL_S", 3.0)
    assert any("lost" in one for one in found())

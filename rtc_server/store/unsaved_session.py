"""The writer's state of one FocusSession that is live, or whose end is not stored yet."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from rtc_server.errors import StoreUnavailable
from rtc_server.record import FocusRecord
from rtc_server.store.sql import StoredState


class Recordable(Protocol):
    """A live FocusSession."""

    @property
    def id(self) -> str: ...

    @property
    def end_reason(self) -> str | None: ...

    def record(self) -> FocusRecord:
        """As it is now."""
        ...

    def supersede(self) -> None:
        """Another server has it, or has closed it."""
        ...


@dataclass(slots=True, eq=False)
class UnsavedSession:
    record: FocusRecord
    """The newest that was asked for; the last one where the session has ended."""
    source: Recordable | None = None
    """None where nothing newer will come: it has ended, or was left in a spool."""
    changed: bool = False
    """The source has something newer than `record`."""
    stored: StoredState | None = None
    """None if it must be read from the database."""
    dirty: bool = True
    """Something is not stored yet."""
    urgent: bool = True
    """Write it now, not in the next round."""
    refused: bool = False
    """The database refused this session but not others. It is written in its own transaction until it succeeds."""
    recovered: bool = False
    """Left by an earlier server: the database may hold a newer record."""
    spool_due: float = 0.0
    """Loop time from which a newer record is written to the spool, while the database is away."""
    waiting: list[asyncio.Future[None]] = field(default_factory=list)

    def refresh(self) -> None:
        """Asks the source for its record, if it has a newer one."""
        if self.changed and self.source is not None:
            self.record, self.changed = self.source.record(), False

    @property
    def lock_order(self) -> tuple[int, int, datetime]:
        """Order of `row_choice.DayKey`, as far as it is known before writing."""
        return self.record.learner.user_id, self.record.learner.module_id, self.record.started_at

    def tell(self, error: StoreUnavailable | None) -> None:
        """Tells all who wait in `settle`: None where it is stored, else the error."""
        for future in self.waiting:
            if future.done():
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
        self.waiting.clear()

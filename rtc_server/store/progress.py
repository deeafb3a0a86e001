"""Decides whether a record of a FocusSession is written over what the database holds. Pure.

    the database has              the record is             so it is
    ---------------------------   -----------------------   ----------
    nothing                       any                       WRITTEN
    another fence                 any                       SUPERSEDED
    the same, ended for another   a live server's           SUPERSEDED
    reason than the record says
    the same                      a live server's           WRITTEN
    a newer record, or this one   left in a spool           OVERTAKEN
    an older one                  left in a spool           WRITTEN

A server knows the order of its own records. One that left a record in a spool may have stored a newer one, which only
the database knows. Who closed a session of a dead server did not know of the record in its spool: its time is added,
and the session stays closed.
"""

from dataclasses import replace
from datetime import datetime
from enum import Enum, auto
from typing import NamedTuple

from rtc_server.record import FocusRecord
from rtc_server.store.schema import as_utc


class StoredProgress(NamedTuple):
    """What decides, of a stored session. The names are the columns'."""

    fence: int
    end_reason: str | None
    focused_s: float
    unfocused_s: float
    unknown_s: float
    recorded_at: datetime

    @property
    def measured_s(self) -> float:
        return self.focused_s + self.unfocused_s + self.unknown_s


class Verdict(Enum):
    WRITTEN = auto()
    SUPERSEDED = auto()
    """Another server has the session, or has closed it."""
    OVERTAKEN = auto()
    """The database has this record or a newer one."""


def progress(record: FocusRecord) -> tuple[float, datetime]:
    """A key that is greater for the newer of two records of one FocusSession.

    The measured time never shrinks, even if the host's clock is set back. If it is equal, the clock decides.
    """
    totals = record.totals
    return totals.focused_s + totals.unfocused_s + totals.unknown_s, record.recorded_at


def verdict(record: FocusRecord, stored: StoredProgress | None, *, spooled: bool) -> Verdict:
    """spooled: it was left in a spool."""
    if stored is None:
        return Verdict.WRITTEN
    if stored.fence != record.fence:
        return Verdict.SUPERSEDED
    if spooled:
        newer = progress(record) > (stored.measured_s, as_utc(stored.recorded_at))
        return Verdict.WRITTEN if newer else Verdict.OVERTAKEN
    return Verdict.SUPERSEDED if stored.end_reason not in (None, record.end_reason) else Verdict.WRITTEN


def with_stored_end(record: FocusRecord, stored: StoredProgress | None) -> FocusRecord:
    """A record left in a spool does not open again what was closed since."""
    if stored is None or record.end_reason is not None:
        return record
    return replace(record, end_reason=stored.end_reason)

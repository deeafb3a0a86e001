"""The database as the servers see it: transactions that happen at once, or not. `test_against_sql` compares it."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from rtc_server.learner import Learner
from rtc_server.record import EndReason, FocusRecord
from rtc_server.store import progress
from rtc_server.store.ownership import RESUMABLE_ENDS
from rtc_server.store.progress import StoredProgress, Verdict

EPOCH = datetime(2026, 11, 27, tzinfo=UTC)


def moment(now: float) -> datetime:
    return EPOCH + timedelta(seconds=now)


@dataclass
class Database:
    sessions: dict[str, FocusRecord] = field(default_factory=dict)
    leases: dict[str, float] = field(default_factory=dict)
    """When each runs out."""
    down: bool = False
    intrusions: set[str] = field(default_factory=set)
    """Sessions that were written by a server that did not have them."""
    closed_at: dict[str, float] = field(default_factory=dict)
    """When each session was closed for a dead server."""

    def write(self, records: list[FocusRecord], spooled: set[str]) -> tuple[set[str], set[str]]:
        """The ids of the sessions that were written, and of those that another server has."""
        written, superseded = set(), set()
        for record in records:
            key = record.focus_session_id
            stored = self.progress(key)
            verdict = progress.verdict(record, stored, spooled=key in spooled)
            if verdict is Verdict.SUPERSEDED:
                superseded.add(key)
            elif verdict is Verdict.WRITTEN:
                if stored is not None and self.sessions[key].server_id != record.server_id:
                    self.intrusions.add(key)
                if stored is None and key not in spooled:
                    self._end_elsewhere(record)
                self.sessions[key] = progress.with_stored_end(record, stored) if key in spooled else record
                written.add(key)
        return written, superseded

    def progress(self, key: str) -> StoredProgress | None:
        one = self.sessions.get(key)
        if one is None:
            return None
        totals = one.totals
        seconds = (totals.focused_s, totals.unfocused_s, totals.unknown_s)
        return StoredProgress(one.fence, one.end_reason, *seconds, one.recorded_at)

    def renew(self, server_id: str, now: float, lease_s: float) -> None:
        self.leases[server_id] = now + lease_s

    def close_orphans(self, now: float) -> int:
        orphans = [
            one
            for one in self.sessions.values()
            if one.end_reason is None and self.leases.get(one.server_id or "", -1.0) < now
        ]
        for one in orphans:
            self.sessions[one.focus_session_id] = replace(one, end_reason=EndReason.CRASH.value)
            self.closed_at[one.focus_session_id] = now
        return len(orphans)

    def claim(self, key: str, learner: Learner, server_id: str, now: float, window_s: float) -> FocusRecord | None:
        one = self.sessions.get(key)
        if one is None or one.learner != learner or one.end_reason not in (None, *RESUMABLE_ENDS):
            return None
        live = one.end_reason is None and self.leases.get(one.server_id or "", -1.0) >= now
        if one.recorded_at < moment(now - window_s) and not live:
            return None
        taken = replace(one, server_id=server_id, fence=one.fence + 1, end_reason=None)
        self.sessions[key] = taken
        self.closed_at.pop(key, None)
        return taken

    def release(self, key: str, learner: Learner, server_id: str) -> None:
        one = self.sessions.get(key)
        mine = one is not None and (one.learner, one.server_id) == (learner, server_id)
        if one is not None and mine and one.end_reason is None:
            self.sessions[key] = replace(one, end_reason=EndReason.CRASH.value)

    def _end_elsewhere(self, newest: FocusRecord) -> None:
        for key, one in self.sessions.items():
            if one.learner == newest.learner and one.end_reason is None and one.server_id != newest.server_id:
                self.sessions[key] = replace(one, end_reason=EndReason.REPLACED.value)

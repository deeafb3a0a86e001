"""Learners who are measured at two servers, and what must be true of what is stored in the end.

Time is counted in ticks of a tenth of a second. In each tick a learner is measured by at most one server. So what is
stored can be compared tick by tick with what was measured.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from rtc_server.focus.state import FocusState, Reason, Span, Totals
from rtc_server.learner import Learner
from rtc_server.record import EndReason, FocusRecord
from rtc_server.store.leases import LEASE_S, LOOK_EVERY_S
from tests.simulation.database import Database, moment
from tests.simulation.servers import Disk, Outcome, Plan, Server
from tests.simulation.virtual_time import run

TICK_S = 0.1
TROUBLE_S = 8.0
"""The plan and the script are over by then."""
LEARNERS_STAY_S = 12.0
QUIET_S = 35.0
"""After that, at most, until the servers are stopped: every dead server's sessions have been closed."""
LOST_AT_A_KILL_S = 1.0
CLOSED_WITHIN_S = 30.0
RESTART_AFTER_S = 1.0
COMES_BACK_AFTER_S = 0.5
GIVEN_UP_AFTER_S = 5.0


@dataclass(frozen=True)
class Event:
    at_s: float
    what: str
    """`kill`, `stop`, `stand still`, `go on`, `database away`, `database back`; `move`: the first learner does."""
    server: int = 0


@dataclass
class Session:
    """A live FocusSession: `Recordable`."""

    id: str
    learner: Learner
    server: Server
    started_s: float
    fence: int = 0
    spans: list[Span] = field(default_factory=list)
    end_reason: str | None = None
    superseded: bool = False

    def measure(self, since_s: float, until_s: float) -> None:
        last = self.spans[-1] if self.spans else None
        if last is not None and abs(last.end_s - since_s) < 1e-9:
            self.spans[-1] = Span(last.start_s, until_s, last.state, last.reason)
        else:
            self.spans.append(Span(since_s, until_s, FocusState.FOCUSED, Reason.ON_SCREEN))

    def record(self) -> FocusRecord:
        return FocusRecord(
            focus_session_id=self.id,
            learner=self.learner,
            started_at=moment(self.started_s),
            recorded_at=moment(asyncio.get_running_loop().time()),
            session_type="viewing",
            totals=Totals(focused_s=sum(span.end_s - span.start_s for span in self.spans)),
            spans=tuple(self.spans),
            policy="reading/3",
            end_reason=self.end_reason,
            server_id=self.server.leases.server_id,
            fence=self.fence,
        )

    def supersede(self) -> None:
        self.superseded = True

    def end(self, reason: EndReason) -> None:
        self.end_reason = reason.value
        self.server.writer.put(self)


class World:
    def __init__(self, faults: dict[int, Outcome], script: Sequence[Event], learners: int = 2) -> None:
        self.database = Database()
        self.plan = Plan(faults)
        self.disks = [Disk(self.plan), Disk(self.plan)]
        self.servers: list[Server] = []
        self.live: list[Session | None] = [None] * learners
        self.measured: dict[str, set[int]] = defaultdict(set)
        """Ticks, by session."""
        self.hard_ends: dict[str, int] = defaultdict(int)
        """How often each session lost its server without a goodbye."""
        self.left_behind: set[str] = set()
        """Sessions that went on elsewhere while a disk held more of them than the database: a database that hangs, a
        server that dies and a learner who goes to another one are more than is promised."""
        self.deaths: list[tuple[Server, float]] = []
        self.healed_s = TROUBLE_S
        self._script = sorted(script, key=lambda event: event.at_s)
        self._watching = True
        self._number = 0
        self._jobs: set[asyncio.Task[None]] = set()

    def run(self) -> "World":
        run(self._run())
        return self

    async def _run(self) -> None:
        self.servers = [Server(self.database, self.plan, disk) for disk in self.disks]
        for server in self.servers:
            await server.start()
        for place in range(len(self.live)):
            self._begin(place, self.servers[place % 2])
        self._do(self._watch())
        script = list(self._script)
        for tick in range(round(self._now() / TICK_S) + 1, round(LEARNERS_STAY_S / TICK_S)):
            now = tick * TICK_S
            await asyncio.sleep(max(0.0, now - self._now()))
            while script and script[0].at_s <= now:
                await self._happen(script.pop(0))
            if tick == round(TROUBLE_S / TICK_S):
                self.plan.over, self.database.down = True, False
                for server in self.servers:
                    server.runs.set()
            self._tend(tick)
        for session in self.live:
            if session is not None and not session.server.dead:
                session.end(EndReason.STOPPED)
        await self._all_quiet()
        self._watching = False
        for server in self.servers:
            await server.stop()
        await asyncio.gather(*self._jobs)

    async def _all_quiet(self) -> None:
        """Returns once every session has been over for longer than a lease lasts, or after QUIET_S."""
        ends = self._now() + QUIET_S
        over_since = self._now()
        while self._now() < min(ends, over_since + LEASE_S + LOOK_EVERY_S):
            stored = self.database.sessions
            if not all(key in stored and stored[key].end_reason is not None for key in self.measured):
                over_since = self._now()
            await asyncio.sleep(LOOK_EVERY_S)

    def _tend(self, tick: int) -> None:
        """What the last tick has brought to each learner."""
        for place, session in enumerate(self.live):
            if session is None:
                continue
            if session.server.dead or session.superseded or not session.server.runs.is_set():
                self.hard_ends[session.id] += 1
                self._leave(place, session)
            else:
                session.measure((tick - 1) * TICK_S, tick * TICK_S)
                self.measured[session.id].add(tick - 1)
                session.server.writer.put(session)

    async def _watch(self) -> None:
        """Starts each server again that has ended."""
        while self._watching:
            for number, server in enumerate(self.servers):
                if server.dead and not any(dead is server for dead, _ in self.deaths):
                    self.deaths.append((server, server.died_at))
                    self._do(self._restart(number))
            await asyncio.sleep(TICK_S)

    async def _give_up(self, session: Session) -> None:
        """Its server waits for its learner for a while."""
        await asyncio.sleep(GIVEN_UP_AFTER_S)
        if not session.server.dead and not session.superseded and session.end_reason is None:
            session.end(EndReason.SILENCE)

    def _leave(self, place: int, session: Session) -> None:
        self.live[place] = None
        self._do(self._give_up(session))
        self._do(self._come_back(place, session))

    async def _come_back(self, place: int, session: Session) -> None:
        """To whichever server answers, as a page does: with the session that it had."""
        await asyncio.sleep(COMES_BACK_AFTER_S)
        while self._now() < LEARNERS_STAY_S - 1.0:
            for server in (self.servers[(place + 1) % 2], self.servers[place % 2]):
                if not server.takes_learners or server is session.server:
                    continue
                record = await server.claim(session.id, session.learner)
                if not server.takes_learners:
                    continue
                self._begin(place, server, record, session.learner)
                return
            await asyncio.sleep(COMES_BACK_AFTER_S)

    def _begin(
        self, place: int, server: Server, record: FocusRecord | None = None, learner: Learner | None = None
    ) -> None:
        learner = learner or Learner(place + 1, 1)
        if record is None:
            self._number += 1
            self.live[place] = Session(str(self._number).rjust(36, "0"), learner, server, self._now())
        else:
            if any(record.focus_session_id in disk.waiting for disk in self.disks):
                self.left_behind.add(record.focus_session_id)
            started_s = (record.started_at - moment(0)).total_seconds()
            key, spans = record.focus_session_id, list(record.spans)
            self.live[place] = Session(key, learner, server, started_s, record.fence, spans)

    async def _restart(self, number: int) -> None:
        await asyncio.sleep(RESTART_AFTER_S)
        server = Server(self.database, self.plan, self.disks[number])
        await server.start()
        self.servers[number] = server

    async def _stop(self, number: int) -> None:
        server = self.servers[number]
        server.draining = True
        there = [(place, session) for place, session in enumerate(self.live) if session and session.server is server]
        for place, session in there:
            session.end(EndReason.SHUTDOWN)
            self._leave(place, session)
        await server.stop()
        for _, session in there:
            self.hard_ends[session.id] += server.dead  # it was killed before it was done
        server.kill()

    async def _happen(self, event: Event) -> None:
        server = self.servers[event.server]
        if event.what == "kill":
            server.kill()
        elif event.what == "stop" and not server.dead:
            self._do(self._stop(event.server))
        elif event.what == "stand still":
            server.runs.clear()
        elif event.what == "go on":
            server.runs.set()
        elif event.what in ("database away", "database back"):
            self.database.down = event.what == "database away"
        elif event.what == "move" and (session := self.live[0]) is not None:
            self.hard_ends[session.id] += 1
            self._leave(0, session)

    def _do(self, coroutine: object) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(coroutine)  # type: ignore[arg-type]
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    # -- what must be true

    def broken(self) -> list[str]:
        """Which of the promises do not hold, in words. None, that is."""
        found = [f"session {key[-2:]} was written by a server without it" for key in self.database.intrusions]
        stored = {key: _ticks(record) for key, record in self.database.sessions.items()}
        of_learner: dict[Learner, set[int]] = defaultdict(set)
        for key, record in self.database.sessions.items():
            if record.end_reason is None:
                found.append(f"session {key[-2:]} never ended")
            if sum(len(_ticks_of(span)) for span in record.spans) > len(stored[key]):
                found.append(f"session {key[-2:]} has a second twice")
            if of_learner[record.learner] & stored[key]:
                found.append(f"a second of learner {record.learner.user_id} is in two sessions")
            if not stored[key] <= self.measured[key]:
                found.append(f"session {key[-2:]} has a second that nobody measured")
            of_learner[record.learner] |= stored[key]
        for key, ticks in self.measured.items():
            lost_s = TICK_S * len(ticks - stored.get(key, set()))
            # A disk that fails beside a database and a server is beyond the promise, too.
            beyond = key in self.left_behind or (self.plan.disk_failed and self.deaths)
            if lost_s > self.hard_ends[key] * LOST_AT_A_KILL_S + 1e-6 and not beyond:
                found.append(f"session {key[-2:]} has lost {lost_s:.1f} s, with {self.hard_ends[key]} hard ends")
        last_death = max([self.healed_s, *(at_s for _, at_s in self.deaths)])
        found += [
            f"session {key[-2:]} was closed {at_s - last_death:.0f} s after all was well"
            for key, at_s in self.database.closed_at.items()
            if at_s > last_death + CLOSED_WITHIN_S
        ]
        return found


def _ticks(record: FocusRecord) -> set[int]:
    return {tick for span in record.spans for tick in _ticks_of(span)}


def _ticks_of(span: Span) -> range:
    return range(round(span.start_s / TICK_S), round(span.end_s / TICK_S))

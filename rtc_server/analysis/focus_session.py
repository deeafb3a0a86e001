"""One stored stretch of a learner's work; it can outlive several peers when the learner reconnects.

All that is needed to go on with one is here: its judgement, its clock, its pause, its state and its record.
"""

import threading
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from rtc_server.analysis.session_log import SessionLog
from rtc_server.analysis.session_states import SessionLife, SessionState
from rtc_server.focus.calibration import LONGEST_S, Calibration
from rtc_server.focus.observation import Seen, StillPicture
from rtc_server.focus.policy import POLICIES
from rtc_server.focus.state import FocusSnapshot, Span, Totals
from rtc_server.focus.tracker import FocusTracker
from rtc_server.learner import Learner
from rtc_server.record import EndReason, FocusRecord, Resumption, SessionType
from rtc_server.rtp.media_clock import MediaClock


class Recorder(Protocol):
    """Where records go."""

    def put(self, session: "FocusSession") -> None:
        """Something has changed: its record will be asked for. Never blocks."""


@dataclass(frozen=True, slots=True)
class History:
    """What happened in a FocusSession up to now."""

    snapshot: FocusSnapshot
    spans: tuple[Span, ...]
    """All, with the one under way."""
    calibration_quality: str | None
    at: datetime
    """UTC, aware: now."""
    media_time_s: float
    """Now."""

    def moment(self, media_time_s: float) -> datetime:
        """When that was, to a tenth of a second: more would change with every picture."""
        tenths = round(10 * (self.at.timestamp() - (self.media_time_s - media_time_s)))
        return datetime.fromtimestamp(tenths / 10, UTC)


class FocusSession:
    """The judgement of one FocusSession, safe to use from the event loop and from an analysis thread."""

    def __init__(
        self,
        learner: Learner,
        policy: str,
        recorder: Recorder,
        consent_at: datetime | None = None,
        server_id: str | None = None,
        display_name: str | None = None,
        log: SessionLog | None = None,
    ) -> None:
        """server_id: the server that measures it. display_name: what the learner is called on a teacher's page.

        log: where its start and its end are told.
        """
        self.id = str(uuid.uuid4())
        self.learner = learner
        self.clock = MediaClock()
        self.display_name = display_name
        self._server_id = server_id
        self.fence = 0
        """How often it has changed its server."""
        self._tracker = FocusTracker(POLICIES[policy])
        self._recorder = recorder
        self._log = log or SessionLog()
        self._life = SessionLife()
        self._lock = threading.Lock()
        self.started_at = datetime.now(UTC)
        self._began = time.monotonic()
        self._consent_at = consent_at
        self._dot_shown_at_s: float | None = None
        self.paused_since: float | None = None
        """Monotonic; None while pictures are looked at."""
        self._was_paused = False
        self._seen = False
        self._begun = False
        """A picture was looked at, or missed."""
        self._superseded = False
        self._before = Totals()
        """What other servers have measured."""

    @classmethod
    def going_on(
        cls, record: FocusRecord, policy: str, recorder: Recorder, log: SessionLog | None = None
    ) -> "FocusSession":
        """Goes on with what another server, or an earlier run of this one, has stored. It is parked: a peer takes it.

        record: with the server and the fence from now on. policy: name of the rules from now on.
        """
        session = cls(record.learner, policy, recorder, record.consent_at, record.server_id, record.display_name, log)
        now, now_utc = time.monotonic(), datetime.now(UTC)

        def moment(at: datetime) -> float:
            return now - max(0.0, (now_utc - at).total_seconds())

        resumption = record.resumption
        session.id, session.fence, session._life = record.focus_session_id, record.fence, SessionLife.parked()
        session.started_at, session._began = record.started_at, moment(record.started_at)
        session._tracker = FocusTracker.going_on(
            POLICIES[policy],
            totals=record.totals,
            spans=record.spans,
            multiple_faces=record.multiple_faces,
            merged_spans=record.merged_spans,
            neutral=resumption.neutral if resumption is not None else None,
            paused=record.session_type == "pause",
        )
        if record.spans:
            # Without a resumption, as of an older version, the start is the best that is known.
            began_at = (resumption and resumption.clock_began_at) or record.started_at
            media_time_s = resumption.media_time_s if resumption is not None else record.spans[-1].end_s
            session.clock = MediaClock.going_on(moment(began_at), media_time_s, moment(record.recorded_at))
        session._before = record.totals
        session.paused_since = now if record.session_type == "pause" else None
        session._was_paused = record.session_type != "viewing"
        session._seen = session._begun = True
        return session

    @property
    def policy(self) -> str:
        """Name and version, as in `reading/1`."""
        return str(self._tracker.policy)

    @property
    def age_s(self) -> float:
        """Since it began, whoever was connected."""
        return time.monotonic() - self._began

    @property
    def paused(self) -> bool:
        return self.paused_since is not None

    @property
    def seen(self) -> bool:
        """A picture was looked at."""
        return self._seen

    @property
    def session_type(self) -> SessionType:
        if self.paused:
            return "pause"
        return "resume" if self._was_paused else "viewing"

    # -- its life, by the rules of session_states

    @property
    def may_be_continued(self) -> bool:
        return self._life.may_be_continued

    @property
    def parked(self) -> bool:
        return self._life.state is SessionState.PARKED

    def take(self, peer_id: str, now: float) -> None:
        """A peer feeds it from now on, and no other; what nobody saw in between is unknown. Raises SessionOver."""
        continued = self._life.may_be_continued
        with self._lock:
            self._life.take(peer_id)
        if continued:
            self.silence(now)
            self.cancel_calibration()
            self._log.resume(self.id)
        else:
            self._log.start(self.id)

    def connected(self, peer_id: str) -> None:
        self._life.connected(peer_id)
        self.save()

    def lose(self, peer_id: str, reason: EndReason) -> None:
        """The peer ends, and another one may go on."""
        with self._lock:
            has_ended = self._life.lose(peer_id, reason)
            if has_ended:
                self._tracker.finish()
        if has_ended:
            self._log.end(self.id, reason, self._measured_here())
        elif self.parked:
            self._log.lose(self.id)
        self.save()

    def end(self, reason: EndReason | None, peer_id: str | None = None) -> None:
        """Nothing follows: its totals are final, and are stored. Only the first reason counts.

        reason: None where nobody came back to it. peer_id: whose end this is; None where it is the server's.
        """
        with self._lock:
            if not self._life.end(reason, peer_id):
                return
            self._tracker.finish()
        self._log.end(self.id, self._life.end_reason or EndReason.FAILED, self._measured_here())
        self.save()

    def supersede(self) -> None:
        """Another server has gone on with it, or has closed it. Nothing of it is stored from here any more."""
        with self._lock:
            self._superseded = True
            has_moved = self._life.end(EndReason.REPLACED)
        if has_moved:
            self._log.move(self.id, self._measured_here())

    def _measured_here(self) -> Totals:
        return self._tracker.snapshot().totals.since(self._before)

    @property
    def end_reason(self) -> EndReason | None:
        return self._life.end_reason

    # -- what is seen

    def observe(self, seen: Seen) -> FocusSnapshot:
        with self._lock:
            if self._life.end_reason is not None:
                return self._tracker.snapshot()
            self._begun = self._seen = True
            if isinstance(seen, StillPicture):
                return self._tracker.still(seen.media_time_s)
            return self._tracker.observe(seen)

    def silence(self, now: float) -> FocusSnapshot:
        """No usable frame came up to `now` (monotonic): the time since the last one is unknown."""
        with self._lock:
            self._begun = True
            return self._tracker.silence(self.clock.now(now))

    def pause(self, now: float) -> None:
        with self._lock:
            self._tracker.pause(self.clock.now(now))
            self.paused_since, self._was_paused = now, True

    def resume(self, now: float) -> None:
        with self._lock:
            self._tracker.resume(self.clock.now(now))
            self.paused_since = None

    def look_at(self, x: float, y: float) -> None:
        """Calibration: a dot is shown here now, in screen widths and heights from the top left."""
        with self._lock:
            self._tracker.look_at(x, y)
            self._dot_shown_at_s = self._tracker.snapshot().media_time_s

    def finish_calibration(self) -> Calibration:
        """All dots were shown. Raises CalibrationFailed."""
        with self._lock:
            self._dot_shown_at_s = None
            return self._tracker.finish_calibration()

    def cancel_calibration(self) -> None:
        with self._lock:
            self._dot_shown_at_s = None
            self._tracker.cancel_calibration()

    @property
    def calibrating(self) -> bool:
        """A dot is being shown: every frame counts."""
        with self._lock:
            shown_at_s = self._dot_shown_at_s
            return shown_at_s is not None and self._tracker.snapshot().media_time_s - shown_at_s <= LONGEST_S

    @property
    def calibration_drifted(self) -> bool:
        with self._lock:
            return self._tracker.calibration_drifted

    def snapshot(self) -> FocusSnapshot:
        with self._lock:
            return self._tracker.snapshot()

    def history(self) -> History:
        with self._lock:
            snapshot, spans, calibration = self._tracker.snapshot(), self._tracker.spans(), self._tracker.calibration
        settled_s = spans[-1].end_s if spans else 0.0
        if snapshot.media_time_s > settled_s:
            spans += (Span(settled_s, snapshot.media_time_s, snapshot.state, snapshot.reason),)
        quality = calibration.quality.value if calibration is not None else None
        return History(snapshot, spans, quality, datetime.now(UTC), self.clock.now(time.monotonic()))

    def save(self) -> None:
        """Have it stored as it is now, once there is something to tell: who only tries a connection leaves no row."""
        if self._begun and not self._superseded:
            self._recorder.put(self)

    def record(self) -> FocusRecord:
        """All that is stored of it, as it is now."""
        with self._lock:
            calibration = self._tracker.calibration
            return FocusRecord(
                focus_session_id=self.id,
                learner=self.learner,
                started_at=self.started_at,
                recorded_at=datetime.now(UTC),
                session_type=self.session_type,
                totals=self._tracker.snapshot().totals,
                spans=self._tracker.spans(),
                multiple_faces=self._tracker.multiple_faces_spans(),
                merged_spans=self._tracker.merged_spans,
                policy=self.policy,
                end_reason=self._life.end_reason,
                consent_at=self._consent_at,
                calibration_error_deg=calibration.error_deg if calibration is not None else None,
                calibration_quality=calibration.quality.value if calibration is not None else None,
                server_id=self._server_id,
                fence=self.fence,
                resumption=self._resumption(),
                display_name=self.display_name,
            )

    def _resumption(self) -> Resumption:
        now, now_utc, began = time.monotonic(), datetime.now(UTC), self.clock.began
        return Resumption(
            neutral=self._tracker.neutral,
            clock_began_at=now_utc - timedelta(seconds=now - began) if began is not None else None,
            media_time_s=self.clock.now(now),
        )

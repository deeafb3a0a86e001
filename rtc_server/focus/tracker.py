"""What the rest of the server calls: observations in, snapshots and spans out. Pure; one for each FocusSession."""

import math
from collections.abc import Sequence

from rtc_server.focus.accumulator import Accumulator
from rtc_server.focus.calibration import DRIFT_DEG, Calibration, Calibrator, Quality
from rtc_server.focus.decision import Decision
from rtc_server.focus.geometry.gaze_noise import GazeNoise
from rtc_server.focus.geometry.measurement import FaceMeasurement, measure
from rtc_server.focus.judgement import DIRECTIONS, Judgement, judge_face, limits_of
from rtc_server.focus.learner_face import LearnerFace
from rtc_server.focus.neutral import Neutral, NeutralState
from rtc_server.focus.observation import FaceObservation
from rtc_server.focus.perclos import Perclos
from rtc_server.focus.policy import READING, Policy
from rtc_server.focus.quality import STILL, picture_flaw
from rtc_server.focus.second_person import SecondPerson
from rtc_server.focus.state import Angles, FocusSnapshot, FocusState, GazeDirection, Reason, Span, Totals

GAP_S = 1.0
"""More media time than this without a frame was not seen by anybody: it is UNKNOWN."""
UNSEEN_LOG_ODDS = 2.5
"""One picture without a face, or too poor to judge: one in thirteen is the mesh's or the camera's own mistake."""
INERTIA_LOG_ODDS = 2.0
"""For what is said, against a frame that denies it: one frame that is 7 to 1 against it leaves even odds (measured)."""
MOST_SURE = 0.99
"""One in a hundred is the mesh's own mistake, which no frame shows."""


class FocusTracker:
    """Watches one learner. Times are media time, in seconds, and never run backwards."""

    def __init__(self, policy: Policy = READING) -> None:
        self.policy = policy
        self._neutral = Neutral()
        self._limits = limits_of(policy, None)
        self._gaze_noise = GazeNoise()
        self._learner_face = LearnerFace()
        self._decision = Decision(policy)
        self._accumulator = Accumulator()
        self._second_person = SecondPerson(self._accumulator.add_multiple_faces)
        self._perclos = Perclos()
        self._judgement: Judgement | None = None
        self._gap_since_s: float | None = None
        """From here on nothing was seen, and the time is not yet accounted for."""
        self._gap_reason = Reason.NO_FRAMES
        self._paused = False
        self._down_since_s: float | None = None
        self._calibrator: Calibrator | None = None
        self._now_s = self._observed_s = 0.0
        self._snapshot = FocusSnapshot(
            media_time_s=0.0,
            state=FocusState.UNKNOWN,
            reason=Reason.STARTING,
            gaze_direction=GazeDirection.ERROR,
            confidence=0.0,
            head=None,
            gaze=None,
            eye_openness=None,
            face_count=0,
            brightness=0.0,
            perclos=None,
            totals=Totals(),
        )

    @classmethod
    def going_on(
        cls,
        policy: Policy,
        *,
        totals: Totals,
        spans: Sequence[Span],
        multiple_faces: Sequence[tuple[float, float]] = (),
        merged_spans: int = 0,
        neutral: NeutralState | None = None,
        paused: bool = False,
    ) -> "FocusTracker":
        """Goes on from what another tracker gave. The time since its last span is unknown.

        neutral: what was learned about the learner; None begins anew.
        """
        tracker = cls(policy)
        tracker._accumulator = Accumulator.restored(totals, spans, multiple_faces, merged_spans)
        tracker._second_person = SecondPerson(tracker._accumulator.add_multiple_faces)
        if neutral is not None:
            tracker._neutral.restore(neutral)
            tracker._limits = limits_of(policy, neutral.screen)
        tracker._now_s = tracker._gap_since_s = spans[-1].end_s if spans else 0.0
        tracker._paused, tracker._gap_reason = paused, Reason.PAUSED if paused else Reason.NO_FRAMES
        tracker._snapshot = tracker._snapshot_of()
        return tracker

    def observe(self, observation: FaceObservation) -> FocusSnapshot:
        """Take in one frame. A frame from the past, or while paused, changes nothing."""
        at_s = observation.media_time_s
        last_s = self._decision.last_s
        if self._paused or at_s < self._now_s or (last_s is not None and at_s <= last_s):
            return self._snapshot
        if last_s is not None and at_s - last_s > GAP_S:
            self._begin_gap(last_s, Reason.NO_FRAMES)
            last_s = None
        self._end_gap(at_s)
        elapsed_s = at_s - self._observed_s if last_s is not None else 0.0
        self._observed_s = at_s
        face, count = self._learner_face.find(observation.faces, observation.height / observation.width, at_s)
        measured = measure(face, observation.width, observation.height) if face else None
        openness = self._neutral.openness(measured) if measured else None
        flaw = picture_flaw(observation, measured.eye_distance_px if measured else None)
        if measured and openness is not None:
            self._gaze_noise.observe(measured, openness, elapsed_s)
        judgement = self._judge(measured, openness, flaw)
        self._judgement = judgement
        still = measured is not None and last_s is not None and observation.quality.change <= STILL
        kind = (FocusState.UNKNOWN, Reason.FROZEN) if still else self._allowed(judgement, at_s)
        self._accumulator.add(self._decision.step(at_s, kind, judgement.log_odds))
        if measured and openness is not None and flaw is None:
            self._learn(measured, openness, judgement, at_s, elapsed_s)
        self._second_person.observe(count, at_s)
        self._now_s = at_s
        eyes_seen = measured is not None and flaw is None and not judgement.eyes_closed
        if measured and eyes_seen and self._calibrator:
            self._calibrator.add(measured.gaze, at_s)
        self._snapshot = self._snapshot_of(
            head=measured.head if measured else None,
            gaze=measured.gaze if measured and eyes_seen else None,
            eye_openness=openness,
            face_count=count,
            brightness=observation.quality.brightness,
        )
        return self._snapshot

    def still(self, media_time_s: float) -> FocusSnapshot:
        """A frame that hardly differs from the last one observed: the same goes for it, and nothing is learned."""
        judgement, last, last_s = self._judgement, self._decision.last, self._decision.last_s
        if self._paused or not judgement or not last or last_s is None or not last_s < media_time_s <= last_s + GAP_S:
            return self._snapshot
        kind = last if last[1] is Reason.FROZEN else self._allowed(judgement, media_time_s)
        self._accumulator.add(self._decision.step(media_time_s, kind, judgement.log_odds))
        before = self._snapshot
        self._second_person.observe(before.face_count, media_time_s)
        self._now_s = media_time_s
        self._snapshot = self._snapshot_of(
            head=before.head,
            gaze=before.gaze,
            eye_openness=before.eye_openness,
            face_count=before.face_count,
            brightness=before.brightness,
        )
        return self._snapshot

    def pause(self, media_time_s: float) -> None:
        """The learner stepped out on purpose: from here on time is UNKNOWN, with the reason `paused`."""
        if not self._paused:
            self._extend_gap(media_time_s, Reason.NO_FRAMES)
            self._paused, self._gap_reason = True, Reason.PAUSED
            self._snapshot = self._snapshot_of()

    def resume(self, media_time_s: float) -> None:
        """Frames count again."""
        if self._paused:
            self._extend_gap(media_time_s, Reason.PAUSED)
            self._paused, self._gap_reason = False, Reason.NO_FRAMES
            self._snapshot = self._snapshot_of()

    def silence(self, media_time_s: float) -> FocusSnapshot:
        """No usable frame came up to this moment: the time since the last one is UNKNOWN."""
        self._extend_gap(media_time_s, Reason.PAUSED if self._paused else Reason.NO_FRAMES)
        self._snapshot = self._snapshot_of()
        return self._snapshot

    def finish(self) -> FocusSnapshot:
        """Settle what is still being decided. The totals are final."""
        self._accumulator.add(self._decision.close())
        self._snapshot = self._snapshot._replace(totals=self._accumulator.totals)
        return self._snapshot

    def snapshot(self) -> FocusSnapshot:
        """What was said last."""
        return self._snapshot

    def spans(self) -> tuple[Span, ...]:
        """All settled time, in order, without overlap. The last one may still grow."""
        return self._accumulator.spans

    def multiple_faces_spans(self) -> tuple[tuple[float, float], ...]:
        """When a second person was in the picture, as [start, end) in media time."""
        return self._accumulator.multiple_faces

    @property
    def neutral(self) -> NeutralState:
        """What was learned about the learner, for a tracker that goes on."""
        return self._neutral.state

    @property
    def merged_spans(self) -> int:
        """How many spans were merged into a neighbour, because there were too many. Totals stay exact."""
        return self._accumulator.merged_spans

    def look_at(self, x: float, y: float) -> None:
        """Calibration: from now on the page shows a dot here, in screen widths and heights from the top left."""
        if self._calibrator is None:
            self._calibrator = Calibrator()
        self._calibrator.look_at(x, y, self._now_s)

    def cancel_calibration(self) -> None:
        """What was seen of a calibration so far is forgotten; an earlier one that was finished stays."""
        self._calibrator = None

    def finish_calibration(self) -> Calibration:
        """All dots were shown: judge by the learner's own screen from now on, unless the quality is poor.

        Raises CalibrationFailed: the dots were not looked at, or the eyes were not seen.
        """
        calibrator, self._calibrator = self._calibrator or Calibrator(), None
        calibration = calibrator.finish()
        self.calibrate(calibration)
        return calibration

    def calibrate(self, calibration: Calibration) -> None:
        """Judge by a screen that is known already, as after a reconnect. One of poor quality changes nothing."""
        if calibration.quality is not Quality.POOR:
            self._neutral.calibrate(calibration)
            self._limits = limits_of(self.policy, calibration)
            self._judgement = None  # by the new lines, nothing was away before

    @property
    def calibration(self) -> Calibration | None:
        """The one that judges; None without one."""
        return self._neutral.screen

    @property
    def calibration_drifted(self) -> bool:
        """The learner or the camera has moved since: it is time to calibrate again."""
        screen = self._neutral.screen
        usual = Angles(self._neutral.gaze_yaw.mean, self._neutral.gaze_pitch.mean)
        return screen is not None and screen.drift_deg(usual) > DRIFT_DEG

    def _judge(self, face: FaceMeasurement | None, openness: float | None, flaw: Reason | None) -> Judgement:
        if flaw is not None:
            return Judgement(FocusState.UNKNOWN, flaw, UNSEEN_LOG_ODDS)
        if face is None or openness is None:
            return Judgement(FocusState.UNFOCUSED, Reason.NO_FACE, UNSEEN_LOG_ODDS)
        return judge_face(face, openness, self._neutral, self._limits, self._gaze_noise)

    def _learn(
        self, face: FaceMeasurement, openness: float, judgement: Judgement, at_s: float, elapsed_s: float
    ) -> None:
        if judgement.at_neutral and self._decision.steadily_focused:
            self._neutral.learn(face, elapsed_s)
        elif not judgement.eyes_closed and judgement.state is FocusState.UNFOCUSED:
            self._neutral.watch_steady(face, elapsed_s)
        self._perclos.add(at_s, elapsed_s, openness)

    def _allowed(self, judgement: Judgement, at_s: float) -> tuple[FocusState, Reason]:
        """The verdict under the policy: for a while, looking down at the desk may be focus."""
        if judgement.reason is not Reason.LOOKING_DOWN:
            self._down_since_s = None
        else:
            if self._down_since_s is None:
                self._down_since_s = at_s
            if at_s - self._down_since_s < self.policy.desk_allowance_s:
                return FocusState.FOCUSED, Reason.ON_DESK
        return judgement.state, judgement.reason

    def _confidence(self, state: FocusState) -> float:
        """How often one is right to say so after a frame like the last."""
        if self._judgement is None:
            return 0.0
        log_odds = self._judgement.log_odds if self._judgement.state is state else -self._judgement.log_odds
        return MOST_SURE / (1 + math.exp(-log_odds - INERTIA_LOG_ODDS))

    def _begin_gap(self, since_s: float, reason: Reason) -> None:
        self._accumulator.add(self._decision.close())
        self._down_since_s = self._judgement = None
        self._second_person.begin_gap()
        self._gap_since_s, self._gap_reason = since_s, reason

    def _end_gap(self, at_s: float) -> None:
        if self._gap_since_s is not None:
            self._count_gap(at_s)
            self._gap_since_s = None

    def _extend_gap(self, until_s: float, reason: Reason) -> None:
        """Nothing is seen up to `until_s`, counted from the last frame, or from where the gap began."""
        until_s = max(until_s, self._now_s)
        last_s = self._decision.last_s
        if last_s is not None:
            self._begin_gap(last_s, reason)
        elif self._gap_since_s is None:
            self._gap_since_s, self._gap_reason = self._now_s, reason
        self._count_gap(until_s)

    def _count_gap(self, until_s: float) -> None:
        since_s = self._gap_since_s
        if since_s is not None and until_s > since_s:
            self._accumulator.add(Span(since_s, until_s, FocusState.UNKNOWN, self._gap_reason))
            self._gap_since_s = until_s
            self._now_s = max(self._now_s, until_s)

    def _snapshot_of(
        self,
        *,
        head: Angles | None = None,
        gaze: Angles | None = None,
        eye_openness: float | None = None,
        face_count: int = 0,
        brightness: float = 0.0,
    ) -> FocusSnapshot:
        kind = self._decision.live
        state, reason = kind or (FocusState.UNKNOWN, self._gap_reason)
        changing_to, changing_since_s = self._decision.changing_to or (None, None)
        return FocusSnapshot(
            media_time_s=self._now_s,
            state=state,
            reason=reason,
            gaze_direction=DIRECTIONS.get(reason, GazeDirection.ERROR),
            confidence=self._confidence(state) if kind else 0.0,
            head=head,
            gaze=gaze,
            eye_openness=eye_openness,
            face_count=face_count,
            brightness=brightness,
            perclos=self._perclos.share,
            totals=self._accumulator.totals,
            changing=self._decision.change is not None,
            changing_to=changing_to,
            changing_since_s=changing_since_s,
            second_person=self._second_person.present,
        )

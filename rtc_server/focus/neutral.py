"""The learner's own neutral: how this person, with this camera, looks at the screen.

Each channel starts from a prior over people and cameras, and moves with the time the learner was seen
looking at the screen: a Bayesian mean whose prior weighs as much as a second of watching.
Only samples that the current neutral itself calls focused are taken in, so that a distracted start
teaches nothing; and the neutral never leaves the range where cameras are put. A learner who from the
start holds one steady pose outside the prior (a camera beside the screen) is believed after a while,
until face and eyes are turned to the camera for some seconds: then it was a distracted start after all.
"""

import math
from dataclasses import dataclass

from rtc_server.focus.calibration import Calibration
from rtc_server.focus.geometry.gaze import USUAL_APERTURE
from rtc_server.focus.geometry.measurement import FaceMeasurement

PRIOR_WEIGHT_S = 1.0
"""The prior is worth so many seconds of watching."""
MEMORY_S = 30.0
"""Older watching fades: posture that drifts by 12° within half a minute is followed (a test holds it to that)."""
WIDER_LIDS_FACTOR = 4.0
"""So much faster lids wider than usual are learned: they are lowered for many reasons (light, sleep, a laugh, eyes
that look down), and raised for none. What is usual lies near the upper end of what is seen."""
MAX_SAMPLE_S = 0.2
"""No single frame counts for more, however low the frame rate."""
STEADY_S = 30.0
"""A steady pose outside the prior, held so long from the start, is where this learner's screen is. Who only looks aside
for the first minute is counted as focused for half of it."""
STEADY_DEG = 5.0
"""Mean deviation of head yaw and pitch that still counts as steady."""
STEADY_RANGE_DEG = 35.0
"""A pose turned further is no way to look at a screen."""
HOME_S = 2.0
"""A steady pose that was believed is given up when face and eyes are turned to the camera for so long: then the screen
is there, as most are, and the start was a distracted one."""


@dataclass(frozen=True, slots=True)
class ChannelState:
    """What one channel has learned. Angles in degrees."""

    mean: float
    weight_s: float
    low: float
    high: float


@dataclass(slots=True)
class Channel:
    """One number of the neutral: a mean, and how unsure it still is."""

    prior: float
    prior_deviation: float
    """Between people and cameras."""
    low: float
    high: float
    mean: float = 0.0
    weight_s: float = 0.0

    def __post_init__(self) -> None:
        self.mean, self.weight_s = self.prior, PRIOR_WEIGHT_S

    @property
    def deviation(self) -> float:
        """How unsure the mean still is: its standard deviation."""
        return self.prior_deviation * math.sqrt(PRIOR_WEIGHT_S / self.weight_s)

    def learn(self, value: float, seconds: float) -> None:
        self.weight_s = min(self.weight_s + seconds, MEMORY_S)
        moved = self.mean + (value - self.mean) * seconds / self.weight_s
        self.mean = min(self.high, max(self.low, moved))

    @property
    def state(self) -> ChannelState:
        return ChannelState(self.mean, self.weight_s, self.low, self.high)

    def restore(self, state: ChannelState) -> None:
        self.mean, self.weight_s, self.low, self.high = state.mean, state.weight_s, state.low, state.high

    def set(self, value: float, seconds: float) -> None:
        """Known now, as if watched for so long; even where no prior would have it."""
        self.low, self.high = min(self.low, value), max(self.high, value)
        self.mean, self.weight_s = value, PRIOR_WEIGHT_S + seconds


@dataclass(frozen=True, slots=True)
class NeutralState:
    """All that another process needs to go on with a Neutral."""

    head_yaw: ChannelState
    head_pitch: ChannelState
    gaze_yaw: ChannelState
    gaze_pitch: ChannelState
    left_aperture: ChannelState
    right_aperture: ChannelState
    screen: Calibration | None = None
    believed_elsewhere: bool = False
    """A steady pose outside the prior was taken for the neutral."""


class Neutral:
    """Running estimate; feed it with `learn` and `watch_steady`."""

    def __init__(self) -> None:
        # Among fifteen people the deviations are 7 and 6° of the head, 3 and 5° of the gaze; cameras above or below the
        # screen add to those up and down. A prior too wide costs a second; one too narrow, a stranger.
        self.head_yaw = Channel(0.0, 7.0, -30.0, 30.0)
        self.head_pitch = Channel(0.0, 8.0, -35.0, 35.0)
        self.gaze_yaw = Channel(0.0, 4.0, -10.0, 10.0)
        """Kappa, the angle between the eye's optical and visual axis, is 5° (Atchison and Smith 2000) and
        opposite in the two eyes, so most of it cancels; what is left is the mesh's and the camera's."""
        self.gaze_pitch = Channel(3.0, 8.0, -20.0, 25.0)
        self._left_aperture = Channel(USUAL_APERTURE, 0.06, 0.15, 0.55)
        self._right_aperture = Channel(USUAL_APERTURE, 0.06, 0.15, 0.55)
        self.screen: Calibration | None = None
        """The learner's own screen, once they have calibrated."""
        self._steady_s = 0.0
        self._home_s: float | None = None
        """How long face and eyes have been turned to the camera; None unless a steady pose elsewhere was believed."""
        self._steady_pose: tuple[float, float, float, float] | None = None

    @property
    def state(self) -> NeutralState:
        return NeutralState(
            head_yaw=self.head_yaw.state,
            head_pitch=self.head_pitch.state,
            gaze_yaw=self.gaze_yaw.state,
            gaze_pitch=self.gaze_pitch.state,
            left_aperture=self._left_aperture.state,
            right_aperture=self._right_aperture.state,
            screen=self.screen,
            believed_elsewhere=self._home_s is not None,
        )

    def restore(self, state: NeutralState) -> None:
        """Go on from what another Neutral of this learner had learned."""
        self.head_yaw.restore(state.head_yaw)
        self.head_pitch.restore(state.head_pitch)
        self.gaze_yaw.restore(state.gaze_yaw)
        self.gaze_pitch.restore(state.gaze_pitch)
        self._left_aperture.restore(state.left_aperture)
        self._right_aperture.restore(state.right_aperture)
        self.screen = state.screen
        self._home_s = 0.0 if state.believed_elsewhere else None

    def openness(self, face: FaceMeasurement) -> float:
        """1 for this learner's usual open eyes, 0 for closed; both eyes weighed by how well they are seen."""
        left, right = face.apertures
        left_weight, right_weight = face.eye_weights
        left, right = max(0.0, left) / self._left_aperture.mean, max(0.0, right) / self._right_aperture.mean
        return left_weight * left + right_weight * right

    def learn(self, face: FaceMeasurement, seconds: float) -> None:
        """The learner looked at the screen like this for so long."""
        seconds = min(seconds, MAX_SAMPLE_S)
        self.head_yaw.learn(face.head.yaw_deg, seconds)
        self.head_pitch.learn(face.head.pitch_deg, seconds)
        self.gaze_yaw.learn(face.gaze.yaw_deg, seconds)
        self.gaze_pitch.learn(face.gaze.pitch_deg, seconds)
        left, right = face.apertures
        left_weight, right_weight = face.eye_weights
        for channel, aperture, weight in (
            (self._left_aperture, left, left_weight),
            (self._right_aperture, right, right_weight),
        ):
            factor = WIDER_LIDS_FACTOR if aperture > channel.mean else 1.0
            channel.learn(aperture, seconds * factor * min(1.0, 2 * weight))
        self._steady_pose = None

    def calibrate(self, screen: Calibration) -> None:
        """The middle of the screen is known now; learning goes on from there."""
        self.screen = screen
        for channel, value in ((self.gaze_yaw, screen.centre.yaw_deg), (self.gaze_pitch, screen.centre.pitch_deg)):
            channel.set(value, MEMORY_S / 2)

    @property
    def learned_s(self) -> float:
        """How long the learner has been seen looking at the screen, up to the memory's length."""
        return self.gaze_yaw.weight_s - PRIOR_WEIGHT_S

    def watch_steady(self, face: FaceMeasurement, seconds: float) -> None:
        """A pose that is not focused. Held steadily from the start, it becomes the neutral."""
        seconds = min(seconds, MAX_SAMPLE_S)
        if self._home_s is not None:
            self._watch_home(face, seconds)
            return
        if self.learned_s > STEADY_S / 4 or abs(face.head.yaw_deg) > STEADY_RANGE_DEG:
            return
        seen = (face.head.yaw_deg, face.head.pitch_deg, face.gaze.yaw_deg, face.gaze.pitch_deg)
        pose = self._steady_pose
        if pose is None or max(abs(seen[0] - pose[0]), abs(seen[1] - pose[1])) > 2 * STEADY_DEG:
            self._steady_pose, self._steady_s = seen, 0.0
            return
        self._steady_s += seconds
        share = seconds / (self._steady_s + 1.0)
        yaw, pitch, gaze_yaw, gaze_pitch = (old + (new - old) * share for old, new in zip(pose, seen, strict=True))
        self._steady_pose = yaw, pitch, gaze_yaw, gaze_pitch
        if self._steady_s >= STEADY_S:
            self._adopt(self._steady_pose)

    def _watch_home(self, face: FaceMeasurement, seconds: float) -> None:
        """Unlike eyes that only glance at the camera, somebody who has come home turns the head as well."""
        strangers = Neutral()
        at_home = all(
            abs(value - channel.mean) < 2 * channel.deviation
            for value, channel in (
                (face.head.yaw_deg, strangers.head_yaw),
                (face.gaze.yaw_deg, strangers.gaze_yaw),
                (face.gaze.pitch_deg, strangers.gaze_pitch),
            )
        )
        self._home_s = (self._home_s or 0.0) + seconds if at_home else 0.0
        if self._home_s >= HOME_S:
            self.head_yaw, self.head_pitch = strangers.head_yaw, strangers.head_pitch
            self.gaze_yaw, self.gaze_pitch = strangers.gaze_yaw, strangers.gaze_pitch
            self._home_s = None

    def _adopt(self, pose: tuple[float, float, float, float]) -> None:
        channels = (self.head_yaw, self.head_pitch, self.gaze_yaw, self.gaze_pitch)
        for channel, value in zip(channels, pose, strict=True):
            channel.set(value, STEADY_S / 2)
        self._steady_pose, self._home_s = None, 0.0

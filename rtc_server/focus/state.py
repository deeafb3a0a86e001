"""The words of the judgement: states, reasons, spans and totals."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple, TypedDict


class FocusState(StrEnum):
    """UNKNOWN is not UNFOCUSED: a frozen network is not a distracted learner."""

    FOCUSED = "focused"
    UNFOCUSED = "unfocused"
    UNKNOWN = "unknown"


class Reason(StrEnum):
    """Why the state is what it is. Always given."""

    # focused
    ON_SCREEN = "on_screen"
    ON_DESK = "on_desk"
    """Looking down where the policy allows it (note taking)."""
    # unfocused
    HEAD_TURNED = "head_turned"
    LOOKING_LEFT = "looking_left"
    LOOKING_RIGHT = "looking_right"
    LOOKING_UP = "looking_up"
    LOOKING_DOWN = "looking_down"
    EYES_CLOSED = "eyes_closed"
    NO_FACE = "no_face"
    # unknown
    STARTING = "starting"
    """Nothing has been seen yet."""
    NO_FRAMES = "no_frames"
    """A gap in media time."""
    FROZEN = "frozen"
    """Frames arrive, but they are all the same picture."""
    LOW_LIGHT = "low_light"
    GLARE = "glare"
    LOW_CONTRAST = "low_contrast"
    BLURRED = "blurred"
    TOO_SMALL = "too_small"
    PAUSED = "paused"


class GazeDirection(StrEnum):
    """The vocabulary of the old page's payload. Left and right are the displayed picture's edges."""

    CENTERED = "centered"
    LOOKING_LEFT = "looking_left"
    LOOKING_RIGHT = "looking_right"
    LOOKING_UP = "looking_up"
    LOOKING_DOWN = "looking_down"
    FACE_TURNED = "face_turned"
    EYES_CLOSED = "eyes_closed"
    NO_FACE = "no_face"
    DISTRACTED = "distracted"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open stretch [start, end) of media time in one state, for one reason."""

    start_s: float
    end_s: float
    state: FocusState
    reason: Reason


class TotalsByOldNames(TypedDict):
    """As the old page, and the platform's `session_data`, have them."""

    focused_time: float
    unfocused_time: float
    unknown_time: float
    total_time: float
    focus_percentage: float
    focus_sessions: int
    unfocus_sessions: int


@dataclass(frozen=True, slots=True)
class Totals:
    """Absolute sums since the FocusSession began. focused + unfocused = total; unknown stands beside."""

    focused_s: float = 0.0
    unfocused_s: float = 0.0
    unknown_s: float = 0.0
    focused_stretches: int = 0
    """How many separate times the learner was focused; the old page calls them `focus_sessions`."""
    unfocused_stretches: int = 0
    multiple_faces_s: float = 0.0
    """Time with a second person in the picture, whatever the state."""

    @property
    def total_s(self) -> float:
        return self.focused_s + self.unfocused_s

    def since(self, earlier: "Totals") -> "Totals":
        """The seconds that have come since then; the numbers of stretches stay."""
        return replace(
            self,
            focused_s=self.focused_s - earlier.focused_s,
            unfocused_s=self.unfocused_s - earlier.unfocused_s,
            unknown_s=self.unknown_s - earlier.unknown_s,
        )

    @property
    def focus_percentage(self) -> float:
        """Of the known time; 0 while there is none."""
        return 100.0 * self.focused_s / self.total_s if self.total_s > 0 else 0.0

    def metrics(self) -> TotalsByOldNames:
        """By the old page's names. Seconds to the millisecond, where focused + unfocused = total holds too."""
        focused, unfocused = round(self.focused_s, 3), round(self.unfocused_s, 3)
        return {
            "focused_time": focused,
            "unfocused_time": unfocused,
            "unknown_time": round(self.unknown_s, 3),
            "total_time": round(focused + unfocused, 3),
            "focus_percentage": round(self.focus_percentage, 2),
            "focus_sessions": self.focused_stretches,
            "unfocus_sessions": self.unfocused_stretches,
        }


class Angles(NamedTuple):
    """A direction in degrees. yaw > 0 towards the picture's right edge, pitch > 0 up."""

    yaw_deg: float
    pitch_deg: float
    roll_deg: float = 0.0
    """Of a head only: > 0 clockwise in the displayed picture."""


class FocusSnapshot(NamedTuple):
    """What is said of the learner at the moment of one frame."""

    media_time_s: float
    state: FocusState
    reason: Reason
    gaze_direction: GazeDirection
    confidence: float
    """0 to 1: how often what is said is right after a frame like this one."""
    head: Angles | None
    """None without a face."""
    gaze: Angles | None
    """Where the eyes point, head and eyes together, against the line from camera to face. None without open eyes."""
    eye_openness: float | None
    """1 for the learner's usual open eyes, 0 for closed lids."""
    face_count: int
    brightness: float
    perclos: float | None
    """Share of the last minute with lids at least 80 % closed (Wierwille 1994); None before it is known."""
    totals: Totals
    changing: bool = False
    """The latest frames say something else; it is not certain yet."""
    changing_to: FocusState | None = None
    """What a change under way would lead to, while it is not sure enough to be said; None while there is none."""
    changing_since_s: float | None = None
    """Media time at which that change began. The time since then is in no total yet."""
    second_person: bool = False
    """Somebody else has been in the picture for long enough to be no mistake."""

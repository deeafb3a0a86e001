"""What counts as focus in an activity. Named and versioned: stored numbers say which rules made them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Policy:
    """The lines between focused and not, against the learner's own neutral, in degrees and seconds."""

    name: str
    version: int
    """Goes up with every change of the rules that can change an answer, wherever in `focus/` it is."""
    gaze_yaw_limit_deg: float = 11.0
    """Half the width of what is looked at: a 14-inch screen (31 cm) at 70 cm spans ±12.5°, at the edges
    of which nobody reads for long. Wider screens need a calibration."""
    gaze_up_limit_deg: float = 14.0
    gaze_down_limit_deg: float = 13.0
    """Half the height of such a screen is 8°; up and down the mesh is half as sure as aside."""
    head_yaw_limit_deg: float = 30.0
    """People turn their heads rather than hold their eyes beyond 20° or so (Stahl 1999): a head turned much
    further has turned to something else, even if the eyes glance back."""
    glance_s: float = 0.3
    """A look away that is shorter is a glance: one fixation lasts 0.2 to 0.3 s (Rayner 1998), so this is
    the time to look away, see one thing and come back."""
    desk_allowance_s: float = 0.0
    """Looking down counts as focused for so long at a stretch: notes are being taken."""

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"


READING = Policy("reading", 3)
NOTE_TAKING = Policy("note_taking", 3, desk_allowance_s=20.0)
VIDEO = Policy("video", 3, glance_s=2.0)
"""A film goes on while one looks away for a moment: its sound still reaches the learner."""

POLICIES: Mapping[str, Policy] = MappingProxyType({p.name: p for p in (READING, NOTE_TAKING, VIDEO)})

"""When a peer is to be given up, or its learner's state to be called unknown. Pure."""

from dataclasses import dataclass
from enum import Enum, auto


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Of one peer, in seconds."""

    connect_s: float = 15.0
    """From the answer to a connection. ICE alone never fails without end-of-candidates."""
    first_frame_s: float = 10.0
    """From the connection to a first frame, paused or not."""
    silence_unknown_s: float = 5.0
    """Without a frame until the state is unknown."""
    silence_s: float = 30.0
    """Without a frame until the peer is closed."""
    pause_s: float = 3600.0
    """Paused, until the peer is closed."""
    max_age_s: float = 4 * 3600.0
    """Of its FocusSession, whatever happens: a lesson left open over night ends."""


class Verdict(Enum):
    WELL = auto()
    SILENT = auto()
    """Say that the state is unknown."""
    GONE = auto()
    """Close: never connected, never sent a frame, or sends none any more."""
    OLD = auto()
    """Close: its FocusSession has lasted for as long as one may."""


class VitalSigns:
    """What is known of a peer's life. Times are of the monotonic clock."""

    def __init__(self, deadlines: Deadlines, now: float, age_s: float = 0.0, *, seen_before: bool = False) -> None:
        """`age_s`: of a FocusSession that goes on. `seen_before`: an earlier peer of it has sent pictures."""
        self._deadlines = deadlines
        self._oldest_at = now + deadlines.max_age_s - age_s
        self._began = now
        self._seen_before = seen_before
        self._connected: float | None = None
        self._heard: float | None = None
        """The last frame, or a resume that frames should have followed."""
        self._resumed_in_vain = False
        self.sent_a_frame = False

    def connected(self, now: float) -> None:
        self._connected = self._connected or now

    def frame(self, now: float) -> None:
        self._heard = now
        self._resumed_in_vain = False
        self.sent_a_frame = True

    def resumed(self, now: float) -> None:
        """Frames are expected again. A second time without any between puts nothing off."""
        if not self._resumed_in_vain:
            self._heard = now
        self._resumed_in_vain = True

    def verdict(self, now: float, paused_since: float | None = None) -> Verdict:
        """`paused_since`: None while frames are expected."""
        deadlines = self._deadlines
        if now >= self._oldest_at:
            return Verdict.OLD
        if self._connected is None:
            return _gone_after(deadlines.connect_s, now - self._began)
        if not (self.sent_a_frame or self._seen_before):
            # A pause does not put this off: who was never seen would hold a place for an hour.
            return _gone_after(deadlines.first_frame_s, now - self._connected)
        if paused_since is not None:
            return _gone_after(deadlines.pause_s, now - max(paused_since, self._connected))
        if self._heard is None:
            return _gone_after(deadlines.first_frame_s, now - self._connected)
        silent_s = now - self._heard
        if silent_s < deadlines.silence_unknown_s:
            return Verdict.WELL
        return Verdict.GONE if silent_s >= deadlines.silence_s else Verdict.SILENT


def _gone_after(deadline_s: float, passed_s: float) -> Verdict:
    return Verdict.GONE if passed_s >= deadline_s else Verdict.WELL

"""When a peer is to be given up, or its learner's state to be called unknown. Pure."""

from dataclasses import dataclass
from enum import Enum, auto


@dataclass(frozen=True, slots=True)
class Limits:
    """Deadlines of one peer, in seconds."""

    connect_s: float = 15.0
    """From the answer to a connection. ICE alone never fails without end-of-candidates."""
    first_frame_s: float = 10.0
    """From the connection to a first frame."""
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

    def __init__(self, limits: Limits, now: float, age_s: float = 0.0) -> None:
        """age_s: of a FocusSession that goes on."""
        self._limits = limits
        self._oldest_at = now + limits.max_age_s - age_s
        self._began = now
        self._connected: float | None = None
        self._frame: float | None = None
        self._paused: float | None = None

    def connected(self, now: float) -> None:
        self._connected = self._connected or now

    def frame(self, now: float) -> None:
        self._frame = now

    def pause(self, now: float) -> None:
        """No frames are expected from now on."""
        self._paused = now

    def resume(self, now: float) -> None:
        self._paused = None
        self._frame = now

    def verdict(self, now: float) -> Verdict:
        limits = self._limits
        if now >= self._oldest_at:
            return Verdict.OLD
        if self._connected is None:
            return Verdict.GONE if now - self._began >= limits.connect_s else Verdict.WELL
        if self._paused is not None:
            return Verdict.GONE if now - self._paused >= limits.pause_s else Verdict.WELL
        if self._frame is None:
            return Verdict.GONE if now - self._connected >= limits.first_frame_s else Verdict.WELL
        silent_s = now - self._frame
        if silent_s >= limits.silence_s:
            return Verdict.GONE
        return Verdict.SILENT if silent_s >= limits.silence_unknown_s else Verdict.WELL

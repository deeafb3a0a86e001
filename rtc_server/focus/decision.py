"""From verdicts on frames to states that last: a change must hold before it counts.

Rules. Time from one frame to the next belongs to the verdict on the first. While verdicts agree with
the current state, time is settled at once. When they leave it, time is held back until either they come
back (it was a blink, a glance, a flicker: the time goes to the current state) or they have held long
enough (the change is dated back to when they left). Each verdict counts towards a change with its time
over its own dwell, so a blink on the way to a look aside neither delays nor makes the change.
"""

from dataclasses import dataclass

from rtc_server.focus.policy import Policy
from rtc_server.focus.state import FocusState, Reason, Span

CLOSURE_S = 1.0
"""A shorter closure is a blink or a slow blink: blinks last 0.1 to 0.4 s (Schiffman 2001), and above
a second microsleeps begin (Boyle et al. 2008)."""
BLINK_S = 0.45
"""A look down is told from a blink, in which the lids pass through the same places, by lasting longer."""
RETURN_S = 0.25
"""The shortest look at the screen that counts: one fixation."""
ABSENCE_S = 0.3
"""A face that is lost for less was lost by the mesh, to a hand or a fast turn."""
FLAW_S = 0.4
"""A picture too dark or blurred for less is a camera at its exposure."""
FROZEN_S = 3.0
"""Identical pictures for less are a camera that sends fewer frames than it is asked for."""
_EPSILON_S = 1e-6

Kind = tuple[FocusState, Reason]


@dataclass(slots=True)
class Decision:
    """What is current, and what may be about to replace it."""

    policy: Policy
    current: Kind | None = None
    _since_s: float = 0.0
    """Up to here everything is settled."""
    _last_s: float = 0.0
    _last: Kind | None = None
    _pending: dict[Kind, float] | None = None
    """Seconds of each verdict since they left the current state."""

    def step(self, at_s: float, kind: Kind) -> Span | None:
        """The verdict on the frame at `at_s`. Gives what is settled by it."""
        if self._last is None:
            self._since_s, self._pending = at_s, {}
        elif self._pending is not None:
            self._pending[self._last] = self._pending.get(self._last, 0.0) + at_s - self._last_s
            chosen = self._confirmed()
            if chosen is not None:
                self.current, self._pending = chosen, None
        self._last_s, self._last = at_s, kind
        if self.current is None:
            return None
        if kind == self.current:
            self._pending = None
        elif self._pending is None:
            self._pending = {}  # up to here it was as before
        else:
            return None
        return self._settle(at_s, self.current)

    def close(self) -> Span | None:
        """No more frames for now: what is held back goes to the current state, or to the likeliest."""
        settled = None
        if self._last is not None:
            kind = self.current
            if kind is None:
                kind = self._likeliest() or self._last
            settled = self._settle(self._last_s, kind)
        self.current = self._last = self._pending = None
        return settled

    @property
    def live(self) -> Kind | None:
        """What to say now: the current state, or the latest verdict while there is none yet."""
        return self.current or self._last

    @property
    def changing(self) -> bool:
        """The latest verdicts differ from the current state, or there is none yet."""
        return self._pending is not None

    @property
    def last_s(self) -> float | None:
        """Media time of the last frame; None when there is none to continue from."""
        return self._last_s if self._last is not None else None

    def _settle(self, until_s: float, kind: Kind) -> Span | None:
        since_s, self._since_s = self._since_s, until_s
        return Span(since_s, until_s, *kind) if until_s > since_s else None

    def _confirmed(self) -> Kind | None:
        pending = self._pending or {}
        if sum(seconds / self._dwell_s(kind) for kind, seconds in pending.items()) < 1 - _EPSILON_S:
            return None
        return self._likeliest()

    def _likeliest(self) -> Kind | None:
        pending = self._pending or {}
        return max(pending, key=lambda kind: pending[kind] / self._dwell_s(kind), default=None)

    def _dwell_s(self, kind: Kind) -> float:
        state, reason = kind
        if state is FocusState.FOCUSED:
            return RETURN_S
        if state is FocusState.UNKNOWN:
            return FROZEN_S if reason is Reason.FROZEN else FLAW_S
        if reason is Reason.EYES_CLOSED:
            return CLOSURE_S
        if reason is Reason.LOOKING_DOWN:
            return max(BLINK_S, self.policy.glance_s)
        return ABSENCE_S if reason is Reason.NO_FACE else self.policy.glance_s

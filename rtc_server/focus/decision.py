"""From verdicts on frames to states that last. A change is told as soon as enough speaks for it, and counts once
it has lasted.

Evidence. Each frame that contradicts the current state adds the log odds of its verdict, times the time it
stands for; each that agrees takes away as much. At `EVIDENCE` the change is told: a head that swings aside
needs two or three frames, a gaze on the line a second. At nothing it is forgotten: it was noise, a blink or a glance.

Time. From one frame to the next it belongs to the verdict on the first. While a change is open, time is held
back. A change that was told and has lasted is dated back to when it began: before that it is in no
total, and so totals never have to be taken back. Each verdict counts with its time over its own dwell, so a
blink on the way to a look aside neither delays nor makes the change.
"""

from dataclasses import dataclass, field

from rtc_server.focus.policy import Policy
from rtc_server.focus.state import FocusState, Reason, Span

CLOSURE_S = 1.0
"""A shorter closure is a blink or a slow blink: blinks last 0.1 to 0.4 s (Schiffman 2001), and above
a second microsleeps begin (Boyle et al. 2008)."""
LONG_CLOSURE_S = 0.6
"""So long closed eyes can be told: a blink is over. Whether it counts shows after `CLOSURE_S`."""
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
EVIDENCE = 0.6
"""Log odds times seconds. The clearest verdict (8) gathers it in 0.09 s, one of 2 to 1 in a second."""
MAX_FRAME_S = 0.1
"""No frame stands for more, however long ago the last one was."""
SOONEST_SHARE = 0.4
"""Of its dwell, a change has to last before it is told: blinks, glances and the mesh's mistakes are mostly over."""
_EPSILON_S = 1e-6

Kind = tuple[FocusState, Reason]


@dataclass(slots=True)
class Change:
    """What may be about to replace the current state."""

    since_s: float
    evidence: float = 0.0
    told: bool = False
    seconds: dict[Kind, float] = field(default_factory=dict)
    """Of each verdict since the current state was left."""
    weights: dict[Kind, float] = field(default_factory=dict)
    """Evidence for each, over its dwell."""

    @property
    def likeliest(self) -> Kind:
        """Of what was seen since."""
        return max(self.weights, key=lambda kind: self.weights[kind])


@dataclass(slots=True)
class Decision:
    """What is current, and what may be about to replace it."""

    policy: Policy
    current: Kind | None = None
    """What counts."""
    change: Change | None = None
    """Open while frames speak against what is current, and until anything is."""
    _since_s: float = 0.0
    """Up to here everything is settled."""
    _last_s: float = 0.0
    _last: Kind | None = None

    def step(self, at_s: float, kind: Kind, log_odds: float) -> Span | None:
        """The verdict on the frame at `at_s`, and how sure it is (>= 0). Gives what is settled by it."""
        if self._last is None:
            self._since_s = self._last_s = at_s
        elapsed_s = at_s - self._last_s
        if self.change is not None and self._last is not None and self._last != self.current:
            self._pass(self.change, self._last, elapsed_s)
        self._weigh(at_s, kind, log_odds * min(elapsed_s, MAX_FRAME_S))
        self._last_s, self._last = at_s, kind
        if self.current is None:
            return None
        return self._settle(self.change.since_s if self.change else at_s, self.current)

    def close(self) -> Span | None:
        """No more frames for now: what is held back goes to the current state, or to the likeliest."""
        settled = None
        if self._last is not None:
            settled = self._settle(self._last_s, self.current or (self.change.likeliest if self.change else self._last))
        self.current = self._last = self.change = None
        return settled

    @property
    def live(self) -> Kind | None:
        """What to say now."""
        if self.change is not None and (self.change.told or self.current is None):
            return self.change.likeliest
        return self.current

    @property
    def steadily_focused(self) -> bool:
        """Nothing speaks against it just now: somebody who looks away teaches nothing by a single frame."""
        if self.current is None:
            return self.live is not None and self.live[0] is FocusState.FOCUSED
        return self.change is None and self.current[0] is FocusState.FOCUSED

    @property
    def changing_to(self) -> tuple[FocusState, float] | None:
        """The state that a change not yet told would lead to, and the media time since when."""
        change = self.change
        if change is None or change.told or self.current is None:
            return None
        state = change.likeliest[0]
        return None if state is self.current[0] else (state, change.since_s)

    @property
    def last(self) -> Kind | None:
        """The verdict on the last frame; None when there is none to continue from."""
        return self._last

    @property
    def last_s(self) -> float | None:
        """Media time of the last frame; None when there is none to continue from."""
        return self._last_s if self._last is not None else None

    def _pass(self, change: Change, kind: Kind, seconds: float) -> None:
        """So much time went by in a verdict against what is current."""
        change.seconds[kind] = change.seconds.get(kind, 0.0) + seconds
        if change.told and self._lasted(change) >= 1 - _EPSILON_S:
            self.current, self.change = change.likeliest, None

    def _weigh(self, at_s: float, kind: Kind, evidence: float) -> None:
        if kind == self.current:
            if self.change is not None:
                self.change.evidence -= evidence
                if self.change.evidence <= 0:
                    self.change = None
            return
        change = self.change = self.change or Change(at_s)
        change.weights[kind] = change.weights.get(kind, 0.0) + (evidence or _EPSILON_S) / self._dwell_s(kind)
        change.evidence = min(EVIDENCE, change.evidence + evidence)
        if change.evidence >= EVIDENCE - _EPSILON_S and self._lasted(change, soonest=True) >= 1 - _EPSILON_S:
            change.told = True

    def _lasted(self, change: Change, *, soonest: bool = False) -> float:
        """Share of the time it has to last before it counts, or can be told at the soonest."""
        return sum(
            seconds / (self._soonest_s(kind) if soonest else self._dwell_s(kind))
            for kind, seconds in change.seconds.items()
        )

    def _settle(self, until_s: float, kind: Kind) -> Span | None:
        since_s = self._since_s
        if until_s <= since_s:
            return None
        self._since_s = until_s
        return Span(since_s, until_s, *kind)

    def _soonest_s(self, kind: Kind) -> float:
        """A dwell above that of closed eyes is no doubt but a rule: what is forgiven is not told either. And a picture
        that cannot be judged for a moment is no news."""
        dwell_s = self._dwell_s(kind)
        if dwell_s > CLOSURE_S or kind[0] is FocusState.UNKNOWN:
            return dwell_s
        return LONG_CLOSURE_S if kind[1] is Reason.EYES_CLOSED else SOONEST_SHARE * dwell_s

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

"""The states of a FocusSession and of a peer, and what moves them. Pure.

A FocusSession is what is stored; a peer is one connection that feeds it.

    FocusSession   taken     connected   lost      ended
    ------------   -------   ---------   -------   -----
    NEW            NEW       LIVE        ENDED     ENDED
    LIVE           LIVE      LIVE        PARKED    ENDED
    PARKED         LIVE      -           -         ENDED
    ENDED          -         -           -         -

    peer           connected   ended
    ----------     ---------   ------
    CONNECTING     CONNECTED   ENDING
    CONNECTED      CONNECTED   ENDING
    ENDING         -           -

1. One peer holds a FocusSession: the one that took it last. What an earlier holder says no longer concerns it.
2. It can be continued while it is LIVE or PARKED: after its first peer has connected, and before its end.
3. Where the holder is lost it is PARKED: another peer of the same learner may go on. Where its first peer is lost
   before it has connected, it ends: there is nothing to go on with.
4. ENDED is final: nobody takes it, and its reason stays.
5. Where nobody comes back to a PARKED one, its reason is the one that its last peer was lost for.
6. A peer that is ENDING does nothing more for its FocusSession, and its reason stays.
"""

from enum import Enum, auto

from rtc_server.record import EndReason


class SessionState(Enum):
    NEW = auto()
    """Its first peer has not connected yet."""
    LIVE = auto()
    PARKED = auto()
    ENDED = auto()


class PeerState(Enum):
    CONNECTING = auto()
    CONNECTED = auto()
    ENDING = auto()
    """It is being closed, which takes a moment."""


class SessionEvent(Enum):
    TAKEN = auto()
    """A peer holds it from now on."""
    CONNECTED = auto()
    """Its holder has connected."""
    LOST = auto()
    """Its holder's connection broke, or went silent: the learner did not end it."""
    ENDED = auto()
    """The learner, a newer FocusSession, a deadline or the server ends it."""


_SESSION_TRANSITIONS: dict[SessionState, dict[SessionEvent, SessionState]] = {
    SessionState.NEW: {
        SessionEvent.TAKEN: SessionState.NEW,
        SessionEvent.CONNECTED: SessionState.LIVE,
        SessionEvent.LOST: SessionState.ENDED,
        SessionEvent.ENDED: SessionState.ENDED,
    },
    SessionState.LIVE: {
        SessionEvent.TAKEN: SessionState.LIVE,
        SessionEvent.CONNECTED: SessionState.LIVE,
        SessionEvent.LOST: SessionState.PARKED,
        SessionEvent.ENDED: SessionState.ENDED,
    },
    SessionState.PARKED: {
        SessionEvent.TAKEN: SessionState.LIVE,
        SessionEvent.ENDED: SessionState.ENDED,
    },
    SessionState.ENDED: {},
}


class SessionOver(Exception):
    """A peer was to take a FocusSession that has ended: a bug of whoever did not ask first."""


class SessionLife:
    """The state of one FocusSession, who holds it, and why it ended."""

    def __init__(self) -> None:
        self.state = SessionState.NEW
        self.end_reason: EndReason | None = None
        self._holder: str | None = None
        self._lost_for: EndReason | None = None

    @classmethod
    def parked(cls) -> "SessionLife":
        """Of a FocusSession that another server had."""
        life = cls()
        life.state = SessionState.PARKED
        return life

    @property
    def may_be_continued(self) -> bool:
        return self.state in (SessionState.LIVE, SessionState.PARKED)

    def take(self, peer_id: str) -> None:
        """Raises SessionOver."""
        if not self._move(SessionEvent.TAKEN):
            raise SessionOver
        self._holder = peer_id

    def connected(self, peer_id: str) -> None:
        if peer_id == self._holder:
            self._move(SessionEvent.CONNECTED)

    def lose(self, peer_id: str, reason: EndReason) -> bool:
        """Returns True where this has ended it."""
        if peer_id != self._holder or not self._move(SessionEvent.LOST):
            return False
        self._lost_for = reason
        return self._has_just_ended(reason)

    def end(self, reason: EndReason | None, peer_id: str | None = None) -> bool:
        """Returns True where this has ended it. `reason`: None where nobody came back to it. `peer_id`: who says so,
        None for the server."""
        if peer_id not in (None, self._holder) or not self._move(SessionEvent.ENDED):
            return False
        return self._has_just_ended(reason or self._lost_for or EndReason.FAILED)

    def _has_just_ended(self, reason: EndReason) -> bool:
        if self.state is SessionState.ENDED:
            self.end_reason = reason
        return self.state is SessionState.ENDED

    def _move(self, event: SessionEvent) -> bool:
        following = _SESSION_TRANSITIONS[self.state].get(event)
        if following is not None:
            self.state = following
        return following is not None


_PEER_TRANSITIONS: dict[PeerState, frozenset[PeerState]] = {
    PeerState.CONNECTING: frozenset({PeerState.CONNECTED, PeerState.ENDING}),
    PeerState.CONNECTED: frozenset({PeerState.ENDING}),
    PeerState.ENDING: frozenset(),
}


class PeerLife:
    """The state of one peer, and why it ends."""

    def __init__(self) -> None:
        self.state = PeerState.CONNECTING
        self.end_reason: EndReason | None = None

    @property
    def ending(self) -> bool:
        return self.state is PeerState.ENDING

    def connect(self) -> bool:
        """Returns True where this has changed something."""
        return self._move(PeerState.CONNECTED)

    def end(self, reason: EndReason) -> bool:
        """Returns True where this has changed something: only the first reason counts."""
        if not self._move(PeerState.ENDING):
            return False
        self.end_reason = reason
        return True

    def _move(self, following: PeerState) -> bool:
        allowed = following in _PEER_TRANSITIONS[self.state]
        if allowed:
            self.state = following
        return allowed

"""The peers that live on this server, and the FocusSessions that wait for theirs to come back.

The only place that knows which peers live here. What may happen to a FocusSession is decided in session_states.
"""

import asyncio
import secrets
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Protocol

from rtc_server.analysis.focus_session import FocusSession
from rtc_server.errors import OfferUnacceptable, PeerUnknown, ServerFull
from rtc_server.learner import Grant, Learner
from rtc_server.peer.admission import RETRY_AFTER_S, Occupant, Room
from rtc_server.peer.live_class import LiveClass
from rtc_server.peer.parked_sessions import ParkedSessions
from rtc_server.peer.peer import Peer, PeerServices
from rtc_server.record import EndReason, FocusRecord
from rtc_server.sdp.offer import read_offer
from rtc_server.sdp.session_description import ice_credentials


@dataclass(frozen=True, slots=True)
class PeerAnswer:
    """What an offer is answered with."""

    peer_id: str
    etag: str
    """Names the ICE session (RFC 9725, 4.3.1)."""
    sdp: str


class Ownership(Protocol):
    """Which server has a FocusSession, as the database knows it."""

    @property
    def server_id(self) -> str: ...

    async def claim(self, focus_session_id: str, learner: Learner) -> FocusRecord | None:
        """Takes over a FocusSession of this learner from another server. Raises nothing.

        Returns what it holds; None where there is none that may go on, or the database does not answer.
        """
        ...

    async def has_moved(self, focus_session_id: str, fence: int) -> bool:
        """Another server has taken this session over since. Raises nothing."""
        ...

    async def seconds_ahead(self, learner: Learner) -> float:
        """By how much this learner's sessions, on any server, are ahead of real time. Raises nothing."""
        ...

    async def settle(self, focus_session_ids: Collection[str]) -> None:
        """Waits until what these sessions hold is stored, for a short time at most. Raises nothing."""
        ...


class PeerRegistry:
    """Use it from the event loop."""

    def __init__(
        self,
        services: PeerServices,
        *,
        max_peers: int,
        resume_window_s: float,
        max_per_user: int | None = None,
        max_per_address: int | None = None,
        ownership: Ownership | None = None,
    ) -> None:
        """ownership: None where there is no other server, and never was."""
        self._services = services
        self._ownership = ownership
        self._claims: dict[str, asyncio.Task[FocusSession | None]] = {}
        """By FocusSession. Whoever asks for one meanwhile waits for the same."""
        self._room = Room(max_peers, max_per_user, max_per_address)
        self._peers: dict[str, Peer] = {}
        self._live: dict[Learner, Peer] = {}
        """The newest of each learner."""
        self._tasks: set[asyncio.Task[None]] = set()
        self.live_class = LiveClass(self._present)
        self._parked = ParkedSessions(resume_window_s, self.live_class.left)
        self._occupants: dict[str, Occupant] = {}
        """By peer id: those who are here, and those whose offer is being answered."""
        self._caught_up: dict[Learner, float] = {}
        """Until when a learner's last media time is ahead of real time: so many seconds, and then forgotten."""
        self._closed = False

    @property
    def draining(self) -> bool:
        """No newcomers any more."""
        return self._closed

    def __len__(self) -> int:
        return len(self._peers)

    @property
    def max_peers(self) -> int:
        return self._room.total

    @property
    def peers(self) -> Collection[Peer]:
        return self._peers.values()

    @property
    def sessions_waiting(self) -> int:
        """FocusSessions whose peer was lost, and which may go on."""
        return len(self._parked)

    @property
    def refused_packets(self) -> int:
        """Media packets past their peers' limits, since the server began."""
        return self._services.counts.refused_packets + sum(peer.refused_packets for peer in self._peers.values())

    async def connect(
        self,
        offer_sdp: str,
        grant: Grant,
        *,
        continues: str | None = None,
        consent_at: datetime | None = None,
        client_address: str = "",
    ) -> PeerAnswer:
        """Answer an offer. Raises OfferMalformed, OfferUnacceptable, ServerFull, RateLimited.

        `continues` names a FocusSession of the same learner that goes on: one whose peer or server was lost a
        short while ago, or whose peer is still live, and that is not too old. Any other value starts a new one.
        """
        offer = read_offer(offer_sdp)
        occupant = Occupant(grant.learner, client_address)
        self._admit(occupant)
        peer = Peer(self._new_peer_id(), secrets.token_hex(8), grant, offer, self._services, client_address)
        self._occupants[peer.peer_id] = occupant
        try:
            answer = await peer.accept()
        except BaseException:
            del self._occupants[peer.peer_id]
            raise
        try:
            claimed = await self._claimed(grant, continues)
            ahead_s = 0.0 if claimed or self._ownership is None else await self._ownership.seconds_ahead(grant.learner)
        except BaseException:
            del self._occupants[peer.peer_id]
            await peer.refuse()
            raise
        if self._closed:
            del self._occupants[peer.peer_id]
            await peer.refuse()
            raise _going_down()
        # Nothing waits between here and the end: whatever happened to the FocusSession meanwhile is known now.
        self._take_in(peer, self._continued(grant.learner, continues) or claimed, consent_at, ahead_s)
        return PeerAnswer(peer.peer_id, peer.etag, answer)

    async def trickle(self, peer_id: str, fragment: str) -> None:
        """Take a client's trickled candidates, which are not needed. Raises PeerUnknown, OfferMalformed, and
        OfferUnacceptable for an ICE restart: a new peer that continues the FocusSession does the same."""
        peer = self.peer(peer_id)
        ufrag, _ = ice_credentials(fragment)
        if ufrag is not None and ufrag != peer.offer.ice_ufrag:
            raise OfferUnacceptable("ICE cannot be restarted here: send a new offer that continues the session.")

    async def close_peer(self, peer_id: str, reason: EndReason) -> None:
        """Ends a peer and its FocusSession, unless a newer peer goes on with that. Raises PeerUnknown."""
        self.peer(peer_id).end(reason)

    def peer(self, peer_id: str) -> Peer:
        """Raises PeerUnknown."""
        try:
            return self._peers[peer_id]
        except KeyError:
            raise PeerUnknown("There is no such peer, or it has ended.") from None

    def end_user(self, user_id: int) -> list[str]:
        """A learner stops everything, here, to be erased. Returns the ids of the FocusSessions that this has ended."""
        theirs = [peer for peer in self._peers.values() if peer.grant.learner.user_id == user_id and not peer.ending]
        for peer in theirs:
            peer.end(EndReason.STOPPED)
        going = [peer.session.id for peer in theirs]
        ended = going + self._parked.end_of_user(user_id)
        self.live_class.forget(user_id, going)
        return ended

    async def close(self) -> None:
        """Ends all peers and FocusSessions; returns once nothing of them is left."""
        self._closed = True
        leaving = list(self._peers.values())
        for peer in leaving:
            peer.session.end(EndReason.SHUTDOWN, peer.peer_id)
        if self._ownership is not None:
            # Before they hear of it: a learner who does goes on at another server at once.
            await self._ownership.settle([peer.session.id for peer in leaving])
        for peer in leaving:
            peer.end(EndReason.SHUTDOWN)
        await asyncio.gather(*self._claims.values(), return_exceptions=True)
        while self._tasks:
            await asyncio.wait(self._tasks)
        self._parked.end_all(EndReason.SHUTDOWN)

    def _present(self) -> Iterator[tuple[FocusSession, bool]]:
        """The sessions that last and have been seen, each with whether its learner is connected."""
        for peer in self._live.values():
            if peer.session.seen and peer.session.end_reason is None:
                yield peer.session, not peer.session.parked
        for session in self._parked:
            yield session, False

    # -- coming

    def _admit(self, newcomer: Occupant) -> None:
        if self._closed:
            raise _going_down()
        replaced = self._live.get(newcomer.learner)
        replaced_id = replaced.peer_id if replaced is not None else None
        others = [occupant for peer_id, occupant in self._occupants.items() if peer_id != replaced_id]
        idle = [peer for peer in self._idle_longest_first() if peer is not replaced]
        self._room.admit(newcomer, others, making_way=len(idle))

    def _idle_longest_first(self) -> list[Peer]:
        """Those who are paused and have not sent a picture: they make way where the server is full."""
        idle = [(peer.idle_since, peer) for peer in self._peers.values() if peer.idle_since is not None]
        return [peer for _, peer in sorted(idle, key=itemgetter(0))]

    def _make_way(self) -> None:
        ending = sum(peer.ending for peer in self._peers.values())
        surplus = max(0, len(self._occupants) - ending - self._room.total)
        for peer in self._idle_longest_first()[:surplus]:
            peer.lose(EndReason.SILENCE)

    async def _claimed(self, grant: Grant, continues: str | None) -> FocusSession | None:
        """The FocusSession of that name that another server had, and that is this one's from now on."""
        if continues is None or self._ownership is None:
            return None
        parked = self._parked.find(continues)
        if parked is not None and await self._ownership.has_moved(continues, parked.fence):
            parked.supersede()
        if self._is_here(continues):
            return None
        claim = self._claims.get(continues)
        if claim is None:
            claim = asyncio.create_task(self._claim(self._ownership, grant, continues), name="claim")
            self._claims[continues] = claim
            claim.add_done_callback(lambda _: self._claims.pop(continues, None))
        session = await asyncio.shield(claim)
        return session if session is not None and self._may_continue(grant.learner, session) else None

    async def _claim(self, ownership: Ownership, grant: Grant, focus_session_id: str) -> FocusSession | None:
        record = await ownership.claim(focus_session_id, grant.learner)
        if record is None:
            return None
        session = FocusSession.going_on(record, grant.policy, self._services.recorder, self._services.counts.sessions)
        if self._closed:
            session.end(EndReason.SHUTDOWN)
        else:
            # Whoever asked for it may be gone by now: then it waits for the next one.
            self._parked.park(session)
        return session

    def _take_in(
        self, peer: Peer, session: FocusSession | None, consent_at: datetime | None, ahead_s: float = 0.0
    ) -> None:
        """The newest peer of a learner wins.

        session: the one that goes on, if any. ahead_s: by how much the learner's sessions are ahead of real time.
        """
        grant, older = peer.grant, self._live.get(peer.grant.learner)
        continued = session is not None
        if session is None:
            server_id = self._ownership.server_id if self._ownership is not None else None
            session = FocusSession(
                grant.learner,
                grant.policy,
                self._services.recorder,
                consent_at,
                server_id,
                grant.display_name,
                log=self._services.counts.sessions,
            )
            now = asyncio.get_running_loop().time()
            session.clock.not_before = max(now + ahead_s, self._caught_up_at(grant.learner))
        self._parked.release(session)
        peer.begin(session, continued=continued)
        if older is not None:
            older.end(EndReason.REPLACED)
        self._parked.end_those_of(grant.learner)
        self._peers[peer.peer_id] = peer
        self._live[grant.learner] = peer
        self._make_way()
        task = asyncio.create_task(self._host(peer), name=f"peer {peer.peer_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _continued(self, learner: Learner, continues: str | None) -> FocusSession | None:
        """The FocusSession that goes on, if there is one by that name and it may."""
        if continues is None:
            return None
        live = self._live.get(learner)
        session = live.session if live is not None and live.session.id == continues else self._parked.find(continues)
        return session if session is not None and self._may_continue(learner, session) else None

    def _may_continue(self, learner: Learner, session: FocusSession) -> bool:
        young = session.age_s < self._services.deadlines.max_age_s
        return session.learner == learner and session.may_be_continued and young

    def _new_peer_id(self) -> str:
        """A secret, and before it the server that has the peer: any other one can find it."""
        secret = secrets.token_urlsafe(16)
        return f"{self._ownership.server_id}.{secret}" if self._ownership is not None else secret

    def _is_here(self, focus_session_id: str) -> bool:
        """And has not been lost to another server."""
        sessions = [peer.session for peer in self._peers.values()] + [self._parked.find(focus_session_id)]
        return any(one is not None and one.id == focus_session_id and one.may_be_continued for one in sessions)

    # -- going

    async def _host(self, peer: Peer) -> None:
        try:
            await peer.run()
        finally:
            self._leave(peer)

    def _leave(self, peer: Peer) -> None:
        self._peers.pop(peer.peer_id, None)
        self._services.counts.refused_packets += peer.refused_packets
        self._occupants.pop(peer.peer_id, None)
        self._remember_clock(peer)
        if self._live.get(peer.grant.learner) is peer:
            del self._live[peer.grant.learner]
            if peer.session.parked:
                self._parked.park(peer.session)
        if peer.session.end_reason is not None:
            self.live_class.left(peer.session)

    def _remember_clock(self, peer: Peer) -> None:
        """A learner who begins one FocusSession after the other is not ahead of real time by each of them."""
        now = asyncio.get_running_loop().time()
        self._caught_up = {learner: moment for learner, moment in self._caught_up.items() if moment > now}
        self._caught_up[peer.grant.learner] = self._caught_up_at(peer.grant.learner, peer.session)

    def _caught_up_at(self, learner: Learner, *sessions: FocusSession) -> float:
        """No new FocusSession of this learner begins to count before."""
        now = asyncio.get_running_loop().time()
        live = [peer.session for peer in self._peers.values() if peer.grant.learner == learner]
        ends = [session.clock.caught_up_at(now) for session in (*live, *sessions)]
        return max([now, self._caught_up.get(learner, now), *ends])


def _going_down() -> ServerFull:
    return ServerFull("The server is going down.", RETRY_AFTER_S)

"""The peers that live on this server, and the FocusSessions that wait for theirs to come back.

The only place that knows which peers live here.
"""

import asyncio
import logging
import secrets
from dataclasses import dataclass
from datetime import datetime

from rtc_server.analysis.focus_session import FocusSession
from rtc_server.errors import OfferUnacceptable, PeerUnknown, ServerFull
from rtc_server.learner import Grant, Learner
from rtc_server.peer.admission import RETRY_AFTER_S, Occupant, Room
from rtc_server.peer.peer import Peer, PeerServices
from rtc_server.sdp.offer import read_offer
from rtc_server.sdp.session_description import ice_credentials

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PeerAnswer:
    """What an offer is answered with."""

    peer_id: str
    etag: str
    """Names the ICE session (RFC 9725, 4.3.1)."""
    sdp: str


@dataclass(slots=True)
class _Parked:
    session: FocusSession
    reason: str
    expiry: asyncio.TimerHandle


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
    ) -> None:
        self._services = services
        self._room = Room(max_peers, max_per_user, max_per_address)
        self._resume_window_s = resume_window_s
        self._peers: dict[str, Peer] = {}
        self._live: dict[Learner, Peer] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._parked: dict[str, _Parked] = {}
        self._occupants: dict[str, Occupant] = {}
        """By peer id: those who are here, and those whose offer is being answered."""
        self._closed = False

    def __len__(self) -> int:
        return len(self._peers)

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

        `continues` names a FocusSession of the same learner that goes on: one whose peer was lost a short
        while ago, or whose peer is still here, and that is not too old. Any other value starts a new one.
        """
        offer = read_offer(offer_sdp)
        occupant = Occupant(grant.learner, client_address)
        self._admit(occupant)
        session = self._continued(grant, continues)
        continued = session is not None
        peer = Peer(
            peer_id=secrets.token_urlsafe(16),
            etag=secrets.token_hex(8),
            grant=grant,
            offer=offer,
            session=session or FocusSession(grant.learner, grant.policy, consent_at),
            continued=continued,
            services=self._services,
            client_address=client_address,
        )
        self._occupants[peer.peer_id] = occupant
        try:
            answer = await peer.accept()
        except BaseException:
            del self._occupants[peer.peer_id]
            raise
        self._take_in(peer)
        return PeerAnswer(peer.peer_id, peer.etag, answer)

    async def trickle(self, peer_id: str, fragment: str) -> None:
        """Take a client's trickled candidates, which are not needed. Raises PeerUnknown, OfferMalformed, and
        OfferUnacceptable for an ICE restart: a new peer that continues the FocusSession does the same."""
        peer = self.peer(peer_id)
        ufrag, _ = ice_credentials(fragment)
        if ufrag is not None and ufrag != peer.offer.ice_ufrag:
            raise OfferUnacceptable("ICE cannot be restarted here: send a new offer that continues the session.")

    async def close_peer(self, peer_id: str, reason: str) -> None:
        """Ends a peer and its FocusSession, unless a newer peer goes on with that. Raises PeerUnknown."""
        peer = self.peer(peer_id)
        peer.end(reason)
        if not self._goes_on(peer.session, without=peer):
            peer.resumable = False

    def peer(self, peer_id: str) -> Peer:
        """Raises PeerUnknown."""
        try:
            return self._peers[peer_id]
        except KeyError:
            raise PeerUnknown("There is no such peer, or it has ended.") from None

    async def close(self) -> None:
        """Ends all peers and FocusSessions; returns once nothing of them is left."""
        self._closed = True
        for peer in list(self._peers.values()):
            peer.end("shutdown")
        while self._tasks:
            await asyncio.wait(self._tasks)
        for focus_session_id in list(self._parked):
            self._finish_parked(focus_session_id, "shutdown")

    # -- coming

    def _admit(self, newcomer: Occupant) -> None:
        if self._closed:
            raise ServerFull("The server is going down.", RETRY_AFTER_S)
        replaced = self._live.get(newcomer.learner)
        replaced_id = replaced.peer_id if replaced is not None else None
        others = [occupant for peer_id, occupant in self._occupants.items() if peer_id != replaced_id]
        self._room.admit(newcomer, others)

    def _continued(self, grant: Grant, continues: str | None) -> FocusSession | None:
        session = None
        live = self._live.get(grant.learner)
        parked = self._parked.get(continues or "")
        if live is not None and live.session.id == continues and live.started:
            session = live.session
        elif parked is not None and parked.session.learner == grant.learner:
            session = parked.session
        return session if session is not None and session.age_s < self._services.limits.max_age_s else None

    def _take_in(self, peer: Peer) -> None:
        """The newest peer of a learner wins."""
        if peer.continued:
            peer.session.carry_on(peer.clock, asyncio.get_running_loop().time())
        older = self._live.get(peer.grant.learner)
        if older is not None:
            older.end("replaced", resumable=older.session is peer.session)
        for parked in [p for p in self._parked.values() if p.session.learner == peer.grant.learner]:
            if parked.session is peer.session:
                parked.expiry.cancel()
                del self._parked[parked.session.id]
            else:
                self._finish_parked(parked.session.id, parked.reason)
        self._peers[peer.peer_id] = peer
        self._live[peer.grant.learner] = peer
        task = asyncio.create_task(self._host(peer), name=f"peer {peer.peer_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- going

    async def _host(self, peer: Peer) -> None:
        try:
            await peer.run()
        finally:
            self._leave(peer)

    def _leave(self, peer: Peer) -> None:
        self._peers.pop(peer.peer_id, None)
        self._occupants.pop(peer.peer_id, None)
        if self._live.get(peer.grant.learner) is peer:
            del self._live[peer.grant.learner]
        if self._goes_on(peer.session):
            return
        if peer.resumable:
            self._park(peer)
        elif peer.started and not peer.session.ended:
            # It was lost at first, and said goodbye while it was being closed.
            peer.session.finish(peer.end_reason or "failed")
            peer.session.keep_in(self._services.recorder)

    def _goes_on(self, session: FocusSession, without: Peer | None = None) -> bool:
        return any(peer.session is session for peer in self._peers.values() if peer is not without)

    def _park(self, peer: Peer) -> None:
        if not (peer.started or peer.continued):
            return
        window_s = 0.0 if self._closed else self._resume_window_s
        session = peer.session
        expiry = asyncio.get_running_loop().call_later(window_s, self._finish_parked, session.id, None)
        self._parked[session.id] = _Parked(session, peer.end_reason or "failed", expiry)

    def _finish_parked(self, focus_session_id: str, reason: str | None) -> None:
        parked = self._parked.pop(focus_session_id, None)
        if parked is not None:
            parked.expiry.cancel()
            parked.session.finish(reason or parked.reason)
            parked.session.keep_in(self._services.recorder)

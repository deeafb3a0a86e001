"""The first thing a datagram meets: whoever sent it, it changes nothing unless it is in order.

Media is handed on from here, decrypted, without aiortc's queue and receive task: a third of the cost of a
packet, and nothing that could grow. DTLS and STUN go on to aioice.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from aioice import Candidate, stun
from aioice.ice import CandidatePair, StunProtocol
from aioice.ice import Connection as IceConnection
from aiortc import RTCDtlsTransport

from rtc_server.token_bucket import TokenBucket
from rtc_server.transport.data_path import receive_record
from rtc_server.transport.encryption import decrypt
from rtc_server.transport.media_allowance import MediaAllowance, MediaLimits

MAX_DATAGRAM_BYTES = 1500
"""Of an Ethernet frame, and of the buffers of pylibsrtp and aiortc."""
MAX_SSRCS = 8
"""Of RTP and RTCP together. libsrtp keeps state for each; aiortc's RTCP task dies of 300."""
MAX_REMOTE_CANDIDATES = 32
"""Addresses from which a client has proved that it knows the password; the newest are kept."""
MAX_QUEUED = 64
"""DTLS datagrams that wait for aiortc, until its handshake is done: several flights of it."""

# How many a second, and how many at once, a client may send beside its media; the rest is dropped unread.
DTLS_PER_S, DTLS_BURST = 100.0, 400.0
"""15 acknowledgements and five messages a second. The burst is what waited in a network that stalled."""
STUN_PER_S, STUN_BURST = 50.0, 100.0
"""A check every few seconds; while it connects, one every 20 to 50 ms for each pair of addresses."""
ADDRESSES_PER_S, ADDRESSES_BURST = 5.0, 64.0
"""New addresses of a client's. Each is sent eight packets at most, an answer and our own check, and may be somebody
else's: the client writes into its datagrams what it likes."""
STRANGE_PER_S, STRANGE_BURST = 50.0, 50.0
"""Media with a right SSRC from an address that is not known yet: a camera's rate, until its check has come."""

_BINDING_REQUEST = b"\x00\x01"
_BINDING_RESPONSES = (b"\x01\x01", b"\x01\x11")

Address = tuple[Any, ...]
"""Host and port."""

logger = logging.getLogger(__name__)


class DatagramGate:
    """Stands before one of aioice's protocols, which is one UDP socket or one relayed address."""

    def __init__(
        self,
        protocol: StunProtocol,
        ice: IceConnection,
        dtls: RTCDtlsTransport,
        on_rtp: Callable[[bytes], None],
        on_rtcp: Callable[[bytes], None],
        on_failure: Callable[[Exception], None],
        media_allowance: MediaAllowance | None = None,
    ) -> None:
        """`on_failure` hears of a bug behind the gate, which must end this connection and no other.

        media_allowance: what all gates of a connection share.
        """
        self._protocol = protocol
        self._pass_on = protocol.datagram_received
        self._ice = ice
        self._dtls = dtls
        self._on_rtp = on_rtp
        self._on_rtcp = on_rtcp
        self._on_failure = on_failure
        self._ssrcs: set[bytes] = set()
        self._known: set[Address] = set()
        self._newest_known: Candidate | None = None
        self._media_from: Address | None = None
        self._named_us = f"{ice.local_username}:".encode()
        self._media_allowance = media_allowance or MediaAllowance(MediaLimits())
        self._dtls_rate = TokenBucket(DTLS_PER_S, DTLS_BURST)
        self._stun_rate = TokenBucket(STUN_PER_S, STUN_BURST)
        self._address_rate = TokenBucket(ADDRESSES_PER_S, ADDRESSES_BURST)
        self._strange_rate = TokenBucket(STRANGE_PER_S, STRANGE_BURST)
        protocol.datagram_received = self.datagram_received  # type: ignore[method-assign]

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        """Called by the event loop, or by a relay's client, for each datagram."""
        assert isinstance(data, bytes)
        # An empty one is an IndexError in aiortc's receive task, a long one a ValueError in pylibsrtp.
        if not 0 < len(data) <= MAX_DATAGRAM_BYTES:
            return
        first = data[0]
        address = addr if len(addr) == 2 else addr[:2]
        try:
            if 128 <= first <= 191:
                self._media(data, address)
            elif 20 <= first <= 63:
                self._dtls_record(data, address)
            elif first <= 3:
                self._stun(data, address)
        except Exception as error:
            self._on_failure(error)

    def _media(self, data: bytes, address: Address) -> None:
        session = self._dtls._rx_srtp
        if session is None or len(data) < 12:
            return
        # RFC 5761, 4: what would be RTP payload types 64 to 95 is RTCP.
        is_rtcp = 192 <= data[1] <= 223
        ssrc = data[4:8] if is_rtcp else data[8:12]
        known = address == self._media_from or self._is_known(address)
        # Decrypting is what costs: a stranger who guesses does not get so far.
        if ssrc not in self._ssrcs and (not known or len(self._ssrcs) >= MAX_SSRCS):
            return
        now = time.monotonic()
        if not (self._media_allowance.take(len(data), now) if known else self._strange_rate.take(now)):
            return
        packet = decrypt(session, data, is_rtcp=is_rtcp)
        if packet is None:
            return
        self._ssrcs.add(ssrc)
        if address != self._media_from:
            self._follow(address)
        if is_rtcp:
            self._on_rtcp(packet)
        else:
            self._on_rtp(packet)

    def _stun(self, data: bytes, address: Address) -> None:
        now = time.monotonic()
        if not self._is_for_us(data) or not self._stun_rate.take(now):
            return
        try:
            # aioice takes what is not quite STUN for media, and queues it without a bound until DTLS begins.
            message = stun.parse_message(data)
            is_check = message.message_class == stun.Class.REQUEST
            if not is_check or self._is_known(address) or self._make_room(message, now):
                self._pass_on(data, address)
        except Exception:
            # What a parser did not expect of a stranger's datagram must not reach the event loop.
            logger.debug("a STUN message was dropped", exc_info=True)

    def _make_room(self, message: stun.Message, now: float) -> bool:
        """False for a check from a new address that may not become one of the client's.

        Where there are enough of them the oldest is forgotten: behind a NAT it is the newest that counts.
        """
        password = self._ice.local_password.encode()
        if not message.check_message_integrity(password) or not self._address_rate.take(now):
            return False
        candidates = self._ice._remote_candidates
        if len(candidates) >= MAX_REMOTE_CANDIDATES:
            in_use = [pair.remote_candidate for pair in self._ice._nominated.values()]
            self._forget(next(one for one in candidates if one not in in_use))
        return True

    def _forget(self, candidate: Candidate) -> None:
        self._ice._remote_candidates.remove(candidate)
        for pair in [pair for pair in self._ice._check_list if pair.remote_candidate is candidate]:
            if pair.task is not None:
                pair.task.cancel()
            self._ice._check_list.remove(pair)

    def _is_for_us(self, data: bytes) -> bool:
        """A check that names us, or the answer to one of ours: a stranger knows neither, and hears nothing."""
        kind = data[:2]
        if kind == _BINDING_REQUEST:
            return self._named_us in data
        return kind in _BINDING_RESPONSES and data[8:20] in self._protocol.transactions

    def _dtls_record(self, data: bytes, address: Address) -> None:
        # Until the handshake is done a forged alert would end it: only who passed an ICE check is heard.
        if not self._is_known(address) or not self._dtls_rate.take(time.monotonic()):
            return
        waiting = self._ice._queue
        try:
            if waiting.empty() and receive_record(self._dtls, data):
                return
        except ConnectionError:
            # As aiortc's task is told of a lost connection, which it then closes.
            waiting.put_nowait(None)
            return
        if waiting.qsize() < MAX_QUEUED:
            self._ice.data_received(data, self._protocol.local_candidate.component)

    def _is_known(self, address: Address) -> bool:
        candidates = self._ice._remote_candidates
        newest = candidates[-1] if candidates else None
        # Where one is forgotten, another comes after it.
        if newest is not self._newest_known:
            self._newest_known = newest
            self._known = {(c._network_host or c.host, c.port) for c in candidates}
        return address in self._known

    def _follow(self, address: Address) -> None:
        """The client's address changed under it (a NAT did it): answer to the new one.

        Only once our own check to it has succeeded, which shows that whoever is there knows the password.
        """
        nominated = self._ice._nominated.get(1)
        if nominated is not None and nominated.protocol is self._protocol and nominated.remote_addr == address:
            self._media_from = address
            return
        for pair in self._ice._check_list:
            if (
                pair.protocol is self._protocol
                and pair.remote_addr == address
                and pair.state == CandidatePair.State.SUCCEEDED
            ):
                pair.nominated = True
                self._ice._nominated[1] = pair
                self._media_from = address
                return

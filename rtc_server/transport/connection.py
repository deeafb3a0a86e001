"""One RTCPeerConnection, whose media and whose end are ours."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Protocol

import pylibsrtp
from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCDtlsTransport,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)
from aiortc.rtcconfiguration import RTCBundlePolicy, RTCIceTransportPolicy
from aiortc.rtcrtpparameters import RTCRtpReceiveParameters

from rtc_server.errors import OfferMalformed, OfferUnacceptable
from rtc_server.transport.data_guard import guard_data
from rtc_server.transport.datagram_gate import DatagramGate
from rtc_server.transport.early_close import allow_early_close, end_consent
from rtc_server.transport.handshake import HandshakeFailure, log_failed_handshake, use_own_certificate
from rtc_server.transport.ice_gathering import IceGathering, gather_with
from rtc_server.transport.media_allowance import MediaAllowance, MediaLimits
from rtc_server.transport.retransmission_timer import RetransmissionTimer
from rtc_server.transport.send_datagram import send_datagram

CLOSE_DEADLINE_S = 3.0
"""aiortc's close takes milliseconds, or hangs for ever where one of its tasks died."""
FLUSH_DEADLINE_S = 0.3
"""For the last message: one retransmission on an ordinary way. A client that is gone holds up no shutdown."""
FLUSH_STEP_S = 0.01
"""SCTP tells nobody that its queue is empty: it is looked at so often."""

logger = logging.getLogger(__name__)


class ConnectionEvents(Protocol):
    """What a connection tells its peer, on the event loop."""

    def connected(self) -> None: ...
    def lost(self) -> None:
        """ICE or DTLS ended, or the client closed. Said once or more often."""

    def rtp(self, packet: bytes) -> None: ...
    def rtcp(self, packet: bytes) -> None: ...
    def channel(self, channel: RTCDataChannel) -> None: ...
    def failed(self, error: Exception) -> None:
        """A bug, or abuse: this connection must end, and no other."""


@dataclass(frozen=True, slots=True)
class Relay:
    """A TURN server through which alone this host can be reached, with a credential for it."""

    url: str
    username: str
    password: str
    client_address: str
    """Where the client came from over HTTP; its media may come through the relay from there."""


class Connection:
    """aiortc's RTCPeerConnection as the server uses it: it answers one offer, receives, and ends."""

    def __init__(
        self,
        events: ConnectionEvents,
        gathering: IceGathering,
        relay: Relay | None = None,
        media_limits: MediaLimits | None = None,
    ) -> None:
        """With `relay` nothing but the relay is used."""
        self._events = events
        self._gathering = gathering
        self._relay_clients = [relay.client_address] if relay and relay.client_address else []
        relays = [RTCIceServer(relay.url, username=relay.username, credential=relay.password)] if relay else []
        self._pc = RTCPeerConnection(
            RTCConfiguration(
                # None would be a public STUN server.
                iceServers=relays,
                bundlePolicy=RTCBundlePolicy.MAX_BUNDLE,
                iceTransportPolicy=RTCIceTransportPolicy.RELAY if relay else RTCIceTransportPolicy.ALL,
            )
        )
        use_own_certificate(self._pc)
        self._dtls: RTCDtlsTransport | None = None
        self.handshake_failure: HandshakeFailure | None = None
        self._media_allowance = MediaAllowance(media_limits or MediaLimits())
        self._closed = False
        self._pc.on("connectionstatechange", self._state_changed)
        self._pc.on("datachannel", self._channel_opened)

    async def accept(self, offer_sdp: str) -> str:
        """aiortc's answer. Raises OfferMalformed, OfferUnacceptable; then nothing but `close` is left to call."""
        try:
            await self._pc.setRemoteDescription(RTCSessionDescription(sdp=offer_sdp, type="offer"))
        except (ValueError, AssertionError, LookupError, AttributeError, TypeError, StopIteration) as error:
            raise OfferMalformed("The offer is not SDP that WebRTC can use.") from error
        except Exception as error:
            raise OfferUnacceptable("The offered video cannot be received.") from error
        receiver = self._pc.getTransceivers()[0].receiver
        self._take_over(receiver)
        if self._pc.sctp is not None:
            guard_data(self._pc.sctp, lambda: self._events.failed(ConnectionError("too much on the data channels")))
            RetransmissionTimer(self._pc.sctp)
        await self._pc.setLocalDescription(await self._pc.createAnswer())
        self._stand_at_the_gates()
        return self._pc.localDescription.sdp

    def send_rtcp(self, packet: bytes) -> None:
        """Encrypt and send at once; dropped while there is no connection."""
        if self._dtls is not None and self._dtls._tx_srtp is not None and not self._closed:
            try:
                send_datagram(self._dtls.transport._connection, self._dtls._tx_srtp.protect_rtcp(packet))
            except (pylibsrtp.Error, OSError):
                logger.debug("an RTCP packet was not sent", exc_info=True)

    @property
    def refused_packets(self) -> int:
        """Media packets that were past the client's limits."""
        return self._media_allowance.dropped_packets

    @property
    def remote_host(self) -> str | None:
        """Where the client's media comes from: an address of its own, of a NAT, or of its relay."""
        pair = self._dtls.transport._connection._nominated.get(1) if self._dtls is not None else None
        return pair.remote_addr[0] if pair is not None else None

    async def flush(self) -> None:
        """Wait until the client has all that was said on the data channels, or for FLUSH_DEADLINE_S."""
        sctp = self._pc.sctp
        for _ in range(round(FLUSH_DEADLINE_S / FLUSH_STEP_S)):
            await asyncio.sleep(FLUSH_STEP_S)
            if sctp is None or sctp.state != "connected" or not (sctp._sent_queue or sctp._outbound_queue):
                break

    async def close(self) -> None:
        """Ends in any case, by the deadline: what aiortc does not close is closed for it."""
        self._closed = True
        if self._media_allowance.dropped_packets:
            logger.warning(
                "media past a peer's limits was dropped", extra={"packets": self._media_allowance.dropped_packets}
            )
        try:
            async with asyncio.timeout(CLOSE_DEADLINE_S):
                await self._pc.close()
        except TimeoutError:
            logger.warning("a connection did not close in time and was abandoned")
        except Exception:
            logger.exception("a connection failed to close and was abandoned")
        else:
            return
        self._abandon()

    # -- private parts of aiortc

    def _take_over(self, receiver: RTCRtpReceiver) -> None:
        """No decoder thread, no unbounded queues, no RTCP task: aiortc's receiver never starts."""

        async def receive(parameters: RTCRtpReceiveParameters) -> None:
            """Media passes aiortc by."""

        receiver.receive = receive  # type: ignore[method-assign]
        # A thousand objects that would never be used.
        receiver._RTCRtpReceiver__remote_bitrate_estimator = None  # type: ignore[attr-defined]
        receiver._RTCRtpReceiver__jitter_buffer = None  # type: ignore[attr-defined]
        self._dtls = receiver.transport
        allow_early_close(self._pc, self._dtls)
        log_failed_handshake(self._dtls, self._handshake_failed)
        gather_with(self._dtls.transport._connection, self._gathering, self._relay_clients)

    def _stand_at_the_gates(self) -> None:
        """From here on each datagram meets a DatagramGate; the few that came before are forgotten."""
        assert self._dtls is not None
        ice = self._dtls.transport._connection
        for protocol in ice._protocols:
            DatagramGate(
                protocol,
                ice,
                self._dtls,
                self._events.rtp,
                self._events.rtcp,
                self._events.failed,
                self._media_allowance,
            )
        while not ice._queue.empty():
            ice._queue.get_nowait()

    def _abandon(self) -> None:
        if self._dtls is None:
            return
        if self._dtls._task is not None:
            self._dtls._task.cancel()
        end_consent(self._dtls)
        for protocol in self._dtls.transport._connection._protocols:
            protocol.transport.abort()

    def _handshake_failed(self, failure: HandshakeFailure) -> None:
        self.handshake_failure = failure

    # -- handlers: one that raises would break aiortc's loops, so it ends its own peer instead

    def _channel_opened(self, channel: RTCDataChannel) -> None:
        try:
            self._events.channel(channel)
        except Exception as error:
            self._events.failed(error)

    def _state_changed(self) -> None:
        try:
            if self._pc.connectionState == "connected":
                self._events.connected()
            elif self._pc.connectionState in ("failed", "closed"):
                self._events.lost()
        except Exception as error:
            self._events.failed(error)

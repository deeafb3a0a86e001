"""A connection that is closed while it is being made.

aioice sets ICE's result aside and looks at it up to 20 ms later. Where `close` falls in between, `connect` starts a
consent check after the close, which nobody ends: it would run for ever and keep the whole peer in memory.
aiortc goes on in the same way: closed during the DTLS handshake it starts ICE once more, which raises, or SCTP,
which asks an absent client for half a minute.
"""

from aiortc import RTCPeerConnection
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcicetransport import RTCIceParameters
from aiortc.rtcsctptransport import RTCSctpCapabilities


def allow_early_close(pc: RTCPeerConnection, dtls: RTCDtlsTransport) -> None:
    """From now on nothing starts once `pc` is closed, or is closing."""
    transport, sctp = dtls.transport, pc.sctp
    connect, start = transport._connection.connect, transport.start

    def closed() -> bool:
        return bool(pc.signalingState == "closed")

    async def connect_unless_closed() -> None:
        await connect()
        if closed():
            end_consent(dtls)
            raise ConnectionError("closed while connecting")

    async def start_unless_closed(parameters: RTCIceParameters) -> None:
        if not closed():
            await start(parameters)

    transport._connection.connect = connect_unless_closed  # type: ignore[method-assign]
    transport.start = start_unless_closed  # type: ignore[method-assign, assignment]
    if sctp is None:
        return
    start_sctp = sctp.start

    async def start_sctp_unless_closed(capabilities: RTCSctpCapabilities | None, port: int) -> None:
        if not closed():
            await start_sctp(capabilities, port)

    sctp.start = start_sctp_unless_closed  # type: ignore[method-assign, assignment]


def end_consent(dtls: RTCDtlsTransport) -> None:
    """Stops the consent check, if one runs."""
    consent = dtls.transport._connection._query_consent_task
    if consent is not None:
        consent.cancel()

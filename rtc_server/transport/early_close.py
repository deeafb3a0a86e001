"""A connection that is closed while it is being made.

aioice sets ICE's result aside and looks at it up to 20 ms later. Where `close` falls in between, `connect` starts a
consent check after the close, which nobody ends: it would run for ever and keep the whole peer in memory.
aiortc goes on in the same way: closed during ICE it begins a DTLS handshake; closed during that, it starts ICE once
more, which raises, or SCTP, which asks an absent client for half a minute.
"""

from collections.abc import Awaitable, Callable
from typing import ParamSpec

from aiortc import RTCDtlsTransport, RTCPeerConnection

Arguments = ParamSpec("Arguments")


def allow_early_close(pc: RTCPeerConnection, dtls: RTCDtlsTransport) -> None:
    """From now on nothing starts once `pc` is closed, or is closing."""

    def unless_closed(start: Callable[Arguments, Awaitable[None]]) -> Callable[Arguments, Awaitable[None]]:
        async def start_unless_closed(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
            if pc.signalingState != "closed":
                await start(*args, **kwargs)

        return start_unless_closed

    connect = dtls.transport._connection.connect

    async def connect_unless_closed() -> None:
        await connect()
        if pc.signalingState == "closed":
            end_consent(dtls)
            raise ConnectionError("closed while connecting")

    dtls.transport._connection.connect = connect_unless_closed  # type: ignore[method-assign]
    dtls.transport.start = unless_closed(dtls.transport.start)  # type: ignore[method-assign, assignment]
    dtls.start = unless_closed(dtls.start)  # type: ignore[method-assign, assignment]
    if pc.sctp is not None:
        pc.sctp.start = unless_closed(pc.sctp.start)  # type: ignore[method-assign, assignment]


def end_consent(dtls: RTCDtlsTransport) -> None:
    """Stops the consent check, if one runs."""
    consent = dtls.transport._connection._query_consent_task
    if consent is not None:
        consent.cancel()

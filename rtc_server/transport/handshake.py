"""Our end of the DTLS handshake: what it offers, and what the log says where it fails."""

import logging
from collections.abc import Callable
from enum import StrEnum

from aiortc import RTCCertificate, RTCDtlsTransport, RTCPeerConnection
from aiortc.rtcdtlstransport import SRTPProtectionProfile
from OpenSSL import SSL

CIPHERS = ":".join(
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "ECDHE-ECDSA-AES128-SHA",
        "ECDHE-ECDSA-AES256-SHA",
    )
)
"""aiortc's, and the same for a client whose certificate is RSA, as GStreamer's is: where the client is the DTLS server
its certificate decides."""

_FAILED = "x DTLS handshake failed "

logger = logging.getLogger(__name__)


class HandshakeFailure(StrEnum):
    """Kinds of failed handshakes, few enough to be counted each."""

    NO_SHARED_CIPHER = "no_shared_cipher"
    CERTIFICATE = "certificate"
    """It is not the one that the offer announced, or one side does not take it."""
    NO_SRTP = "no_srtp"
    """No common way to encrypt media."""
    ALERT = "alert"
    """The client broke it off, with a reason that is in the log."""
    CONNECTION = "connection"
    """The client was gone."""
    OTHER = "other"


class Certificate(RTCCertificate):
    """One of ours, for one connection."""

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(CIPHERS.encode())
        # WebRTC has no use for it, and a few bytes would buy another whole handshake.
        context.set_options(SSL.OP_NO_RENEGOTIATION)
        return context


def use_own_certificate(pc: RTCPeerConnection) -> None:
    """Call it before `pc` makes its transports."""
    pc._RTCPeerConnection__certificates = [Certificate.generateCertificate()]  # type: ignore[attr-defined]


def log_failed_handshake(dtls: RTCDtlsTransport, on_failure: Callable[[HandshakeFailure], None]) -> None:
    """aiortc says at debug alone that a handshake failed, next to what must not be logged, and often not why."""
    shake_hands = dtls._do_handshake
    reasons: list[str] = []

    async def noting_reasons() -> None:
        ssl = dtls._ssl
        assert ssl is not None
        receive = ssl.recv

        def recv(size: int) -> bytes:
            # aiortc catches it here, and finds OpenSSL's list of errors empty when it comes to tell of it.
            try:
                return receive(size)
            except SSL.Error as error:
                reasons.extend(_reasons(error))
                raise

        ssl.recv = recv  # type: ignore[method-assign,assignment]
        try:
            await shake_hands()
        finally:
            del ssl.recv

    def log(message: str, *arguments: object) -> None:
        if message.startswith(_FAILED):
            reasons.extend(reason for error in arguments for reason in _reasons(error))
            cause = ", ".join(reasons) or message.removeprefix(_FAILED).strip("()")
            logger.warning("a DTLS handshake failed", extra={"cause": cause})
            on_failure(kind_of(cause))

    dtls._do_handshake = noting_reasons  # type: ignore[method-assign]
    dtls._RTCDtlsTransport__log_debug = log  # type: ignore[attr-defined]


def kind_of(cause: str) -> HandshakeFailure:
    """cause: OpenSSL's reason, or aiortc's."""
    for words, kind in _KINDS:
        if words in cause:
            return kind
    return HandshakeFailure.OTHER


_KINDS = (
    ("no shared cipher", HandshakeFailure.NO_SHARED_CIPHER),
    ("handshake failure", HandshakeFailure.NO_SHARED_CIPHER),  # how a client says the same
    ("certificate", HandshakeFailure.CERTIFICATE),
    ("fingerprint", HandshakeFailure.CERTIFICATE),
    ("unknown ca", HandshakeFailure.CERTIFICATE),
    ("SRTP", HandshakeFailure.NO_SRTP),
    ("alert", HandshakeFailure.ALERT),
    ("connection error", HandshakeFailure.CONNECTION),
)
"""Words of a cause, the first that fits."""


def _reasons(error: object) -> list[str]:
    """As OpenSSL has them: (library, function, reason)."""
    if not isinstance(error, SSL.Error) or not error.args or not isinstance(error.args[0], list):
        return []
    return [reason for _, _, reason in error.args[0]]

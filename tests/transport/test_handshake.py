"""The DTLS handshake: with whom it succeeds, what the log says where it fails, and that it comes once."""

import datetime
import logging
from collections.abc import Callable

import pytest
from aiortc import RTCCertificate, RTCSessionDescription
from aiortc.rtcdtlstransport import SRTP_PROFILES
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from OpenSSL import SSL

from rtc_server.peer.counts import PeerCounts
from rtc_server.peer.registry import PeerRegistry
from rtc_server.transport.handshake import Certificate, HandshakeFailure, kind_of
from tests.peer.learner_client import LearnerClient, grant, learner_client
from tests.peer.stand_ins import MakeRegistry, until
from tests.transport.test_encryption import shake_hands


def rsa_certificate() -> RTCCertificate:
    """As GStreamer makes it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name, now = x509.Name([]), datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return Usual(key, certificate)  # type: ignore[arg-type]


class Usual(RTCCertificate):
    """Of a client that is not aiortc, and has ciphers for both kinds of key."""

    def _create_ssl_context(self, srtp_profiles: list[object]) -> SSL.Context:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(b"ECDHE+AESGCM")
        return context


class Choosy(RTCCertificate):
    """Of a client that knows only what nobody should use any more."""

    def _create_ssl_context(self, srtp_profiles: list[object]) -> SSL.Context:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(b"ECDHE-ECDSA-AES256-CCM")
        return context


def use(certificate: RTCCertificate, client: LearnerClient) -> None:
    for transceiver in client.pc.getTransceivers():
        transceiver.sender.transport._RTCDtlsTransport__local_certificate = certificate


async def connect(client: LearnerClient, registry: PeerRegistry, change: Callable[[str], str]) -> None:
    """With an offer that was changed on its way."""
    await client.pc.setLocalDescription(await client.pc.createOffer())
    answer = await registry.connect(change(client.pc.localDescription.sdp), grant())
    await client.pc.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer"))


async def test_a_client_with_an_rsa_certificate_connects(registry: PeerRegistry) -> None:
    async with learner_client() as client:
        use(rsa_certificate(), client)
        await connect(client, registry, lambda sdp: sdp)
        await client.told("tracking_update")


async def test_the_log_says_that_there_was_no_shared_cipher(
    make_registry: MakeRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    counts = PeerCounts()
    registry = make_registry(counts=counts)
    async with learner_client() as client:
        use(Choosy.generateCertificate(), client)
        await connect(client, registry, lambda sdp: sdp.replace("setup:actpass", "setup:active"))
        await until(lambda: bool(failures(caplog)), "the failure is logged")
        await until(lambda: len(registry) == 0, "it was given up")
    assert failures(caplog) == ["no shared cipher"]
    assert {cause: count for cause, count in counts.connections_failed.read().items() if count} == {
        "no_shared_cipher": 1
    }


async def test_the_log_says_that_it_was_not_the_client_of_the_offer(
    make_registry: MakeRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    counts = PeerCounts()
    registry = make_registry(counts=counts)

    def forge(sdp: str) -> str:
        lines = sdp.split("\r\n")
        return "\r\n".join(f"a=fingerprint:sha-256 {'00:' * 31}00" if "fingerprint" in line else line for line in lines)

    async with learner_client() as client:
        await connect(client, registry, forge)
        await until(lambda: bool(failures(caplog)), "the failure is logged")
        await until(lambda: len(registry) == 0, "it was given up")
    assert failures(caplog) == ["fingerprint mismatch"]
    assert {cause: count for cause, count in counts.connections_failed.read().items() if count} == {"certificate": 1}


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        ("no shared cipher", HandshakeFailure.NO_SHARED_CIPHER),
        ("sslv3 alert handshake failure", HandshakeFailure.NO_SHARED_CIPHER),
        ("tlsv1 alert unknown ca", HandshakeFailure.CERTIFICATE),
        ("sslv3 alert bad certificate", HandshakeFailure.CERTIFICATE),
        ("no SRTP profile negotiated", HandshakeFailure.NO_SRTP),
        ("tlsv1 alert internal error", HandshakeFailure.ALERT),
        ("connection error", HandshakeFailure.CONNECTION),
        ("whatever the next OpenSSL says", HandshakeFailure.OTHER),
    ],
)
def test_every_cause_is_of_one_of_a_few_kinds(cause: str, kind: HandshakeFailure) -> None:
    assert kind_of(cause) is kind


def failures(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Their causes. A warning: it is seen at whatever level the server logs."""
    return [
        record.__dict__["cause"]
        for record in caplog.records
        if record.getMessage() == "a DTLS handshake failed" and record.levelno == logging.WARNING
    ]


def test_another_handshake_is_refused() -> None:
    """A client asks for one with 25 bytes, and it costs as much as the first."""
    server, client = (
        SSL.Connection(certificate.generateCertificate()._create_ssl_context(SRTP_PROFILES))
        for certificate in (RTCCertificate, Certificate)
    )
    shake_hands(server, client)
    server.renegotiate()
    server.do_handshake()
    client.bio_write(server.bio_read(1500))
    with pytest.raises(SSL.WantReadError):
        client.recv(1500)
    alert = 21
    assert client.bio_read(1500)[0] == alert

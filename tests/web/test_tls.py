"""HTTPS from certificate files, and a new certificate without a restart."""

import asyncio
import datetime as dt
import ssl
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rtc_server.errors import SettingsError
from rtc_server.web.server.http_server import Site, server_runner
from rtc_server.web.server.problems import problem_middleware
from rtc_server.web.server.response_headers import response_headers_middleware
from rtc_server.web.server.tls import Certificate


def write_pair(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate of this name, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


@pytest.fixture
def certificate(tmp_path):
    return Certificate(*write_pair(tmp_path, "first"))


@pytest.fixture
async def https(certificate):
    server = TestServer(web.Application())
    await server.start_server(ssl=certificate.context)
    yield server
    await server.close()


async def shown_name(server: TestServer) -> str:
    """The name in the certificate that a new connection is shown."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _, writer = await asyncio.open_connection(server.host, server.port, ssl=context)
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return str(x509.load_der_x509_certificate(shown).subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


async def test_a_changed_certificate_is_shown_to_new_connections(https, certificate, tmp_path):
    assert await shown_name(https) == "first"

    write_pair(tmp_path, "second")
    assert certificate.reload_if_changed()

    assert await shown_name(https) == "second"
    assert not certificate.reload_if_changed()


@pytest.fixture
async def site(certificate):
    """Listens as the real one does, with little patience; its address."""
    application = web.Application(middlewares=[response_headers_middleware, problem_middleware])
    runner = server_runner(application, header_timeout=10)
    await runner.setup()
    await Site(runner, "127.0.0.1", 0, tls=certificate.context, handshake_timeout=0.2).start()
    yield runner.addresses[0][:2]
    await runner.cleanup()


async def test_a_handshake_that_does_not_go_on_is_cut_off(site):
    reader, writer = await asyncio.open_connection(*site)
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()


async def test_over_tls_a_browser_is_told_to_come_by_no_other_way(site):
    url = f"https://{site[0]}:{site[1]}/"
    async with ClientSession() as http, http.get(url, ssl=False) as response:
        assert response.headers["Strict-Transport-Security"].startswith("max-age=")


async def test_half_a_change_leaves_the_old_certificate(https, certificate, tmp_path, caplog):
    old_key = (tmp_path / "key.pem").read_bytes()
    write_pair(tmp_path, "second")
    (tmp_path / "key.pem").write_bytes(old_key)

    assert not certificate.reload_if_changed()
    assert "the new certificate cannot be used" in caplog.text
    assert await shown_name(https) == "first"

    write_pair(tmp_path, "third")
    assert certificate.reload_if_changed()
    assert await shown_name(https) == "third"


def test_a_certificate_taken_away_leaves_the_old_one(certificate, tmp_path):
    (tmp_path / "certificate.pem").unlink()

    assert not certificate.reload_if_changed()


def test_the_server_offers_nothing_before_tls_1_2(certificate):
    assert certificate.context.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("name", ["certificate.pem", "key.pem"])
def test_without_its_files_it_does_not_start(tmp_path, name):
    paths = write_pair(tmp_path, "first")
    (tmp_path / name).write_text("not PEM")

    with pytest.raises(SettingsError, match="RTC_TLS_CERTIFICATE"):
        Certificate(*paths)

"""A WHIP client that is neither a browser nor aiortc: H.264, DTLS passive, a P-256 certificate."""

import asyncio
import datetime
import json
import sqlite3
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from rtc_server.learner import Learner
from rtc_server.web.access.auth import mint_token
from tests.e2e.server_process import running_server

ROOT = Path(__file__).parents[2]
SECRET = "of this test alone, and thirty-two bytes"
SECONDS = 4.0


def p256_certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "camera")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


async def test_ffmpeg_streams_and_its_row_is_right(tmp_path: Path) -> None:
    certificate, key = p256_certificate(tmp_path)
    database = tmp_path / "rows.sqlite3"
    settings = {"RTC_DATABASE_URL": f"sqlite+aiosqlite:///{database}", "RTC_TOKEN_SECRET": SECRET}
    async with running_server(**settings) as server:
        token = mint_token(SECRET, Learner(7, 3), audience="rtc-server", ttl_s=600)
        sender = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.e2e.ffmpeg_whip_sender", f"{server.url}whip", token),
            *(certificate, key, str(SECONDS)),
            cwd=ROOT,
            stderr=asyncio.subprocess.PIPE,
        )
        _, complaints = await asyncio.wait_for(sender.communicate(), 40)
        assert sender.returncode == 0, complaints.decode()
    with sqlite3.connect(database) as rows:
        ((user, module, total, focused, unfocused, data),) = rows.execute(
            "SELECT user_id, module_id, total_time_seconds, focused_time_seconds, unfocused_time_seconds, session_data"
            " FROM eye_tracking_sessions"
        )
    assert (user, module) == (7, 3)
    assert focused + unfocused == total
    stored = json.loads(data)
    known = stored["focused_time"] + stored["unfocused_time"] + stored["unknown_time"]
    assert abs(known - SECONDS) < 0.1 * SECONDS + 0.2
    assert stored["focused_time"] > 0.5 * SECONDS

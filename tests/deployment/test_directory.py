"""The directory as compose.yaml starts it, with Debian's Redis: who has the password, and nobody else."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from aiohttp.test_utils import unused_port

from tests.deployment.test_compose import ROOT, SERVICES

WITHIN_S = 20.0


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[str]:
    """Its address with the password, as the server gets it."""
    subprocess.run(["sh", ROOT / "deploy/make-secrets.sh", tmp_path], check=True)
    program, port = shutil.which("redis-server"), unused_port()
    assert program is not None, "redis-server is missing: scripts/install-test-packages.sh installs it"
    shell, flag, script = (part.replace("$$", "$") for part in SERVICES["directory"]["command"])
    assert script.count("valkey-server") == 1
    script = script.replace("valkey-server -", f"{program} - --port {port}").replace("/run/secrets", str(tmp_path))
    with subprocess.Popen([shell, flag, script], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        try:
            until_it_listens(port, process)
            assert "requirepass" not in Path(f"/proc/{process.pid}/cmdline").read_text()
            yield (tmp_path / "rtc_redis_url").read_text().strip().replace(":6379/", f":{port}/")
        finally:
            process.terminate()
    assert not list(tmp_path.glob("*.rdb")), "nothing is kept on disk"


def until_it_listens(port: int, process: subprocess.Popen[str]) -> None:
    last = time.monotonic() + WITHIN_S
    while time.monotonic() < last:
        assert process.poll() is None, process.communicate()[0]
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)  # nothing tells when Redis listens
    raise AssertionError("Redis does not listen")


def test_it_answers_whoever_has_the_password(directory: str) -> None:
    with redis.Redis.from_url(directory) as client:
        assert client.ping()
        assert client.set("rtc:worker", "1", ex=5)
        assert client.config_get("save") == {"save": ""}
    address = directory.partition("@")[2]
    with redis.Redis.from_url(f"redis://{address}") as client, pytest.raises(redis.AuthenticationError):
        client.ping()

"""The unit and what makes it many workers, as systemd's own tools read them. No systemd runs them here."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rtc_server.settings import Settings

ROOT = Path(__file__).parents[2]
UNIT = (ROOT / "deploy/rtc-server.service").read_text()
WORKERS = (ROOT / "deploy/rtc-server-workers.conf").read_text()
INSTALLED = "/opt/rtc-server/bin/rtc-server"


def analyze(*arguments: str | Path) -> str:
    program = shutil.which("systemd-analyze")
    assert program is not None, "systemd-analyze is missing: scripts/install-test-packages.sh installs it"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """With a program that is here, since systemd looks for it."""
    assert INSTALLED in UNIT
    program = Path(sys.executable).with_name("rtc-server")
    (tmp_path / "rtc-server.service").write_text(UNIT.replace(INSTALLED, str(program)))
    return tmp_path / "rtc-server.service"


def with_workers(unit: Path) -> None:
    folder = unit.with_name("rtc-server.service.d")
    folder.mkdir()
    (folder / "workers.conf").write_text(WORKERS)


def test_systemd_finds_nothing_wrong_with_the_unit(unit: Path) -> None:
    assert analyze("verify", "--man=no", unit) == ""


def test_nor_with_the_workers(unit: Path) -> None:
    with_workers(unit)
    assert analyze("verify", "--man=no", unit) == ""


def test_a_mistake_would_be_found(unit: Path) -> None:
    with_workers(unit)
    conf = unit.with_name("rtc-server.service.d") / "workers.conf"
    conf.write_text(WORKERS.replace("TasksMax=", "TaskMax="))
    assert "TaskMax" in analyze("verify", "--man=no", unit)


def test_the_service_may_do_little(unit: Path) -> None:
    with_workers(unit)
    rated = analyze("security", "--offline=true", "--threshold=20", unit)
    assert re.search(r"exposure level for rtc-server.service: 1\.\d", rated), rated[-200:]


def test_its_settings_and_secrets_are_some_that_the_server_has(tmp_path: Path) -> None:
    subprocess.run(["sh", ROOT / "deploy/make-secrets.sh", tmp_path / "secrets"], check=True)
    credentials = re.findall(r"^LoadCredential=(\w+):/etc/rtc-server/secrets/(\w+)$", UNIT + WORKERS, re.MULTILINE)
    assert len(credentials) == 5
    for name, file in credentials:
        assert name == file
        assert (tmp_path / "secrets" / file).exists()
    variables = re.findall(r"^Environment=(\w+)=", WORKERS, re.MULTILINE)
    named = {*variables, *(name.upper() for name, _ in credentials)}
    assert {name.removeprefix("RTC_").lower() for name in named} <= set(Settings.model_fields)


def test_there_is_time_to_stop_in_good_order() -> None:
    (stop_s,) = re.findall(r"^TimeoutStopSec=(\d+)$", UNIT, re.MULTILINE)
    assert int(stop_s) >= Settings.model_fields["drain_timeout"].default + 10

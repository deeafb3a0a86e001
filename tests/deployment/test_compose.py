"""compose.yaml and what stands beside it, as far as they can be known without a Docker engine."""

import re
import stat
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

import pytest
import yaml

from rtc_server.commands import turn_config
from rtc_server.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
UNIT = (ROOT / "deploy/rtc-server.service").read_text()
EXAMPLE = (ROOT / "deploy/rtc-server.env.example").read_text()


def example_settings() -> dict[str, str]:
    """With the commented lines too: they are meant to be uncommented."""
    return dict(re.findall(r"^#?(RTC_[A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE))


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_hardened(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.get("privileged")
    assert service["logging"]["options"]["max-size"]


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "relay-config"])
def test_every_service_that_stays_up_says_when_it_is_well_and_comes_back(name: str) -> None:
    # What is built here brings its own (test_image.py).
    assert "build" in SERVICES[name] or SERVICES[name]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    assert SERVICES[name]["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", [name for name in SERVICES if "build" not in SERVICES[name]])
def test_foreign_images_have_a_version(name: str) -> None:
    assert re.fullmatch(r"[\w/]+:\d+\.\d+", SERVICES[name]["image"])


def test_what_is_named_exists() -> None:
    secrets, volumes = set(COMPOSE["secrets"]), set(COMPOSE["volumes"])
    for service in SERVICES.values():
        assert set(service.get("secrets", ())) <= secrets
        assert set(service.get("depends_on", ())) <= set(SERVICES)
        assert {volume.split(":")[0] for volume in service.get("volumes", ()) if not volume.startswith(".")} <= volumes


def test_what_others_wait_for_can_come_true() -> None:
    for service in SERVICES.values():
        for name, wait in service.get("depends_on", {}).items():
            if wait["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[name]
            else:
                assert wait["condition"] == "service_completed_successfully"
                assert SERVICES[name]["restart"] == "no"


@pytest.mark.parametrize("name", ["database", "directory"])
def test_what_only_the_server_uses_is_for_this_host_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name]["ports"])


def test_no_secret_stands_in_the_file() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            assert "PASSWORD" not in name or (name.endswith("_FILE") and value.startswith("/run/secrets/"))
    assert not [name for name in example_settings() if "SECRET" in name or name == "RTC_DATABASE_URL"]


def test_secrets_are_made_once_and_fit_each_other(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    command = ["sh", ROOT / "deploy/make-secrets.sh", folder]
    subprocess.run(command, check=True)
    made = {file.name: file.read_text() for file in folder.iterdir()}
    subprocess.run(command, check=True)
    assert made == {file.name: file.read_text() for file in folder.iterdir()}

    assert {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()} == set(made)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert len(made["rtc_token_secret"].strip()) == len(made["rtc_turn_secret"].strip()) == 64
    assert len(set(made.values())) == len(made)
    assert f":{made['mysql_password'].strip()}@127.0.0.1:3306/rtc" in made["rtc_database_url"]
    assert made["rtc_redis_url"].strip() == f"redis://:{made['redis_password'].strip()}@127.0.0.1:6379/0"
    read = Settings(_env_file=None, _secrets_dir=folder)
    assert read.token_secret is not None
    assert read.token_secret.get_secret_value() == made["rtc_token_secret"].strip()
    assert read.database_url.get_secret_value() == made["rtc_database_url"].strip()
    assert read.redis_url is not None
    assert read.redis_url.get_secret_value() == made["rtc_redis_url"].strip()
    assert read.fleet_secret is not None
    assert len(read.fleet_secret.get_secret_value()) == 64


def test_what_waits_for_the_database_lies_where_the_server_may_write_and_survives_it() -> None:
    spool = Path(example_settings()["RTC_SPOOL"])
    (volume,) = SERVICES["server"]["volumes"]
    name, _, target = volume.partition(":")
    assert name in COMPOSE["volumes"]
    assert Path(target) in spool.parents
    assert Path(target) in (target / Settings.model_fields["spool"].default).parents, "where nothing is set"

    unit = dict(re.findall(r"^(\w+)=(.*)$", UNIT, re.MULTILINE))
    state = Path("/var/lib") / unit["StateDirectory"]
    assert unit["ProtectSystem"] == "strict"
    assert unit["UMask"] == "0077"
    assert Path(unit["WorkingDirectory"]) == state
    assert state in spool.parents


def test_a_server_that_dies_in_an_outage_is_started_until_the_database_is_back() -> None:
    assert "\nRestart=on-failure\n" in UNIT
    assert "\nStartLimitIntervalSec=0\n" in UNIT.partition("[Service]")[0]


def test_secrets_and_settings_stay_out_of_the_repository() -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {"secrets/", "certificates/", "rtc-server.env"} <= set(ignored)


def test_the_example_names_settings_that_exist_with_values_that_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    named = example_settings()
    assert {name.removeprefix("RTC_").lower() for name in named} <= set(Settings.model_fields)
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    read = Settings(_env_file=None)
    assert len(read.turn_urls) == 3
    assert read.udp_ports is not None


def test_the_relay_and_the_server_use_different_udp_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in example_settings().items():
        monkeypatch.setenv(name, value)
    read = Settings(_env_file=None)
    assert read.udp_ports is not None
    assert read.udp_ports.last < relay_options().relay_ports.first


def relay_options() -> Namespace:
    parser = ArgumentParser()
    turn_config.add_arguments(parser)
    return parser.parse_args(SERVICES["relay-config"]["command"][1:])


def test_the_relay_of_the_example_can_be_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in example_settings().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RTC_TURN_SECRET", "0123456789abcdef" * 4)
    written = turn_config.render(turn_config.relay_of(Settings(_env_file=None), relay_options()))
    assert "cert=/certificates/fullchain.pem" in written


def test_by_default_a_school_behind_one_address_may_fill_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    read = Settings(_env_file=None)
    assert read.max_sessions_per_address is None
    monkeypatch.setenv("RTC_MAX_SESSIONS", "256")
    assert Settings(_env_file=None).offers_per_minute >= 256, "all of them connect again after a restart"


def test_by_hand_a_command_gets_the_same_settings_and_secrets(tmp_path: Path) -> None:
    subprocess.run(["sh", ROOT / "deploy/make-secrets.sh", tmp_path / "secrets"], check=True)
    command = (
        f"env $(grep -v '^#' {ROOT}/deploy/rtc-server.env.example) CREDENTIALS_DIRECTORY=secrets "
        f"{sys.executable} -m rtc_server turn-config --output turnserver.conf --certificate a.pem --private-key b.pem"
    )
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True)
    secret = (tmp_path / "secrets/rtc_turn_secret").read_text().strip()
    assert f"static-auth-secret={secret}" in (tmp_path / "turnserver.conf").read_text()

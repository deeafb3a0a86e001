"""`rtc-server check`: one line each, what to do, and the exit code."""

import socket
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest

from rtc_server.commands import check
from rtc_server.commands.check import Finding
from rtc_server.settings import Settings
from rtc_server.store.spool.spool import Spool
from tests.store.records import record
from tests.turn.relay import SECRET, RunningRelay, loopback_relay, running

GOOD_SECRET = "0123456789abcdef" * 4


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRelay]:
    folder = tmp_path_factory.mktemp("relay")
    with running(loopback_relay(folder, names=("UDP", "TCP")), folder) as started:
        yield started


@pytest.fixture
def healthy(tmp_path: Path, relay: RunningRelay) -> dict[str, object]:
    udp = relay.relay.urls[0]
    return {
        "token_secret": GOOD_SECRET,
        "database_url": f"sqlite+aiosqlite:///{tmp_path}/rows.sqlite3",
        "spool": tmp_path / "spool",
        "stun_urls": f"stun:127.0.0.1:{udp.port}",
        "turn_urls": ",".join(relay.urls),
        "turn_secret": SECRET,
        # An address that the relay may reach; nothing is sent there.
        "public_ip": "8.8.8.8",
        "ice_addresses": "127.0.0.1",
    }


async def findings(values: dict[str, object], **changed: object) -> dict[str, Finding]:
    """The last one of each subject."""
    settings = Settings(_env_file=None, **(values | changed))
    return {finding.subject: finding async for finding in check.findings(settings)}


async def test_a_healthy_server_has_nothing_to_complain_of(healthy: dict[str, object]) -> None:
    found = await findings(healthy)
    assert {finding.outcome for finding in found.values()} == {"ok"}, list(map(str, found.values()))
    assert set(found) == {"settings", "tokens", "database", "spool", "model", "udp", "stun", "relay"}
    assert "TCP, relays at 127.0.0.1" in found["relay"].text


@pytest.mark.parametrize(
    ("changed", "subject", "outcome", "advice"),
    [
        ({"token_secret": None}, "tokens", "fail", "set RTC_TOKEN_SECRET"),
        ({"token_secret": "short"}, "tokens", "fail", "32 bytes or more"),
        ({"jwks_url": "http://platform.example/keys"}, "tokens", "fail", "https"),
        ({"database_url": "oracle://somewhere/rows"}, "database", "fail", "no driver"),
        ({"database_url": "mysql+aiomysql://u:hush@127.0.0.1:9/rows"}, "database", "fail", "is it running"),
        ({"host": "0.0.0.0"}, "http", "warn", "RTC_TLS_CERTIFICATE"),
        ({"turn_urls": ""}, "relay", "warn", "cannot connect"),
        ({"turn_secret": None}, "relay", "fail", "RTC_TURN_SECRET"),
        ({"turn_secret": GOOD_SECRET}, "relay", "fail", "is not RTC_TURN_SECRET"),
        ({"public_ip": "10.0.0.5"}, "relay", "fail", "turn-config --peer 10.0.0.5"),
        ({"public_ip": ""}, "relay", "fail", "allow-loopback-peers"),
        ({"ice_addresses": "8.8.8.8"}, "stun", "warn", "set RTC_PUBLIC_IP"),
        ({"server_turn": True}, "udp", "ok", "relay only"),
    ],
)
async def test_what_is_wrong_is_said_with_what_to_do(
    healthy: dict[str, object], changed: dict[str, object], subject: str, outcome: str, advice: str
) -> None:
    found = (await findings(healthy, **changed))[subject]
    assert found.outcome == outcome
    assert advice in found.text
    assert "hush" not in str(found)


async def test_udp_ports_that_others_have_are_counted(healthy: dict[str, object]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        found = await findings(healthy, udp_ports=f"{port}-{port}")
    assert found["udp"].outcome == "fail"
    assert "0 of 1 ports free" in found["udp"].text
    found = await findings(healthy, udp_ports=f"{port}-{port}", max_sessions=8)
    assert found["udp"].outcome == "warn"
    assert "widen RTC_UDP_PORTS" in found["udp"].text


async def test_what_waits_for_the_database_is_counted(healthy: dict[str, object], tmp_path: Path) -> None:
    left = Spool(tmp_path / "spool")
    for _ in range(2):
        left.write(record())
    left.close()
    found = (await findings(healthy))["spool"]
    assert (found.outcome, found.text[:7]) == ("warn", "2 sessi")
    (tmp_path / "spool/spool.sqlite3").write_bytes(b"damaged" * 100)
    assert Spool(tmp_path / "spool").recover() == []
    found = (await findings(healthy))["spool"]
    assert found.outcome == "warn"
    assert "0 sessions wait" in found.text
    assert "cannot be read" in found.text


async def test_a_spool_that_cannot_be_written_is_said(healthy: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = (await findings(healthy, spool=tmp_path / "file"))["spool"]
    assert found.outcome == "fail"
    assert "set RTC_SPOOL" in found.text


def test_the_exit_code_says_whether_anything_fails(
    healthy: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert check.run(Namespace(), Settings(_env_file=None, **healthy)) == 0
    assert check.run(Namespace(), Settings(_env_file=None, **(healthy | {"token_secret": None}))) == 1
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith(("ok ", "warn ", "fail ")) for line in lines)

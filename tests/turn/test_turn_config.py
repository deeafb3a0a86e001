"""The relay's configuration as text: what the settings say, and nothing that they do not."""

import re
import stat
from argparse import ArgumentParser, Namespace
from pathlib import Path

import pytest

from rtc_server.commands import turn_config
from rtc_server.commands.turn_config import relay_of
from rtc_server.errors import SettingsError
from rtc_server.relay.configuration import render
from rtc_server.relay.turn_url import turn_url
from rtc_server.resources import folder
from rtc_server.settings import Settings

SECRET = "0123456789abcdef" * 4
TEMPLATE = (folder("turn") / "turnserver.conf.template").read_text()


def settings(**values: object) -> Settings:
    defaults: dict[str, object] = {"turn_urls": "turn:relay.example:3478?transport=udp", "turn_secret": SECRET}
    return Settings(_env_file=None, **(defaults | values))


def options(*words: str) -> Namespace:
    parser = ArgumentParser()
    turn_config.add_arguments(parser)
    return parser.parse_args(words)


def lines(*words: str, **values: object) -> list[str]:
    text = render(relay_of(settings(**values), options(*words)))
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize(
    ("url", "port", "transport", "name"),
    [
        ("turn:relay.example", 3478, "udp", "UDP"),
        ("turn:relay.example:80?transport=tcp", 80, "tcp", "TCP"),
        ("turns:relay.example", 5349, "tcp", "TLS"),
        ("turns:[2001:db8::1]:443?transport=tcp", 443, "tcp", "TLS"),
    ],
)
def test_a_url_is_read_as_rfc_7065_says(url: str, port: int, transport: str, name: str) -> None:
    parsed = turn_url(url)
    assert (parsed.port, parsed.transport, parsed.name) == (port, transport, name)


@pytest.mark.parametrize(
    "url", ["", "stun:a", "turn:", "turn:a:0", "turn:a:70000", "turn:a?transport=sctp", "turn:a b"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="RTC_TURN_URLS"):
        turn_url(url)


def test_listeners_are_those_that_browsers_are_told() -> None:
    written = lines(
        "--certificate=/etc/relay.crt",
        "--private-key=/etc/relay.key",
        turn_urls="turn:relay.example:3479?transport=tcp,turns:relay.example:443",
    )
    assert {"listening-port=3479", "tls-listening-port=443", "no-udp"} <= set(written)
    assert {"cert=/etc/relay.crt", "pkey=/etc/relay.key"} <= set(written)
    assert not {"no-tcp", "no-tls", "no-dtls"} & set(written)


def test_the_relay_has_room_for_the_learners_of_all_workers() -> None:
    def room(**values: object) -> int:
        return int(next(line for line in lines(**values) if line.startswith("total-quota=")).partition("=")[2])

    assert room(max_sessions=10, workers=3) == 3 * room(max_sessions=10)
    assert room(processors=3, workers=3) == room(processors=3), "by default they share what the host carries"


def test_without_tls_there_is_no_certificate_and_no_tls_listener() -> None:
    text = render(relay_of(settings(), options()))
    assert "\nno-tls\nno-dtls\n" in text
    assert not re.search("^(cert|pkey)=", text, re.MULTILINE)
    assert "${" not in text


def test_quotas_follow_the_number_of_learners() -> None:
    written = lines("--user-quota=5", "--bandwidth=100000", max_sessions=10)
    assert {"user-quota=5", "total-quota=80", "max-bps=100000", "bps-capacity=8000000"} <= set(written)


def test_a_relay_may_serve_this_server_and_nothing_else() -> None:
    written = lines("--peer=10.0.0.5", "--peer", "203.0.113.7")
    assert {"allowed-peer-ip=10.0.0.5", "allowed-peer-ip=203.0.113.7"} <= set(written)
    assert "denied-peer-ip=0.0.0.0-255.255.255.255" in written
    assert "allow-loopback-peers" not in written
    assert "denied-peer-ip=0.0.0.0-255.255.255.255" not in lines()


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "10.0.0.5-127.0.0.1"])
def test_a_loopback_peer_needs_one_more_line_of_coturn(peer: str) -> None:
    assert {f"allowed-peer-ip={peer}", "allow-loopback-peers"} <= set(lines("--peer", peer))


def test_the_other_options_reach_the_file() -> None:
    written = lines("--realm=lms", "--relay-ports=50000-50100", "--external-ip=203.0.113.7/10.0.0.5")
    assert {"realm=lms", "min-port=50000", "max-port=50100", "external-ip=203.0.113.7/10.0.0.5"} <= set(written)


@pytest.mark.parametrize("ports", ["", "50000", "2-1", "0-9", "1-65536", "a-b", "1-2-3"])
def test_what_is_no_range_of_ports_is_refused(ports: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options(f"--relay-ports={ports}")
    assert "write first-last" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "values", "named"),
    [
        ([], {"turn_urls": ""}, "RTC_TURN_URLS"),
        ([], {"turn_secret": None}, "RTC_TURN_SECRET"),
        ([], {"turn_secret": "short"}, "RTC_TURN_SECRET"),
        ([], {"turn_secret": "x" * 40 + "\nno-auth"}, "RTC_TURN_SECRET"),
        (["--realm=here\nno-auth"], {}, "white space"),
        ([], {"turn_urls": "turns:relay.example"}, "--certificate"),
        ([], {"turn_urls": "turn:a:1,turn:a:2?transport=tcp"}, "the same port"),
        (["--peer=10.0.0.5"], {"server_turn": True}, "--peer"),
        (["--peer=10.0.0.5\nno-auth"], {}, "--peer"),
        (["--peer=anywhere"], {}, "--peer"),
        (["--user-quota=0"], {}, "--user-quota"),
        (["--bandwidth=10"], {}, "--bandwidth"),
    ],
)
def test_what_would_make_a_wrong_or_open_relay_is_refused(
    words: list[str], values: dict[str, object], named: str
) -> None:
    with pytest.raises(SettingsError, match=named):
        render(relay_of(settings(**values), options(*words)))


def test_every_paragraph_of_the_template_says_why() -> None:
    for paragraph in TEMPLATE.strip().split("\n\n"):
        assert paragraph.startswith("#"), f"a paragraph without its reason:\n{paragraph}"


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    target = tmp_path / "turnserver.conf"
    target.write_text("older, and open to all")
    assert turn_config.run(options("--output", str(target)), settings()) == 0
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert f"static-auth-secret={SECRET}" in target.read_text()
    assert [file.name for file in tmp_path.iterdir()] == ["turnserver.conf"]


def test_without_a_file_it_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    turn_config.run(options(), settings())
    assert capsys.readouterr().out == render(relay_of(settings(), options()))

"""What the doctor hears from a real relay, well or ill."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rtc_server.relay import probe as relay_probe
from rtc_server.relay.probe import ProbeFailed, allocate, reflexive_address
from rtc_server.relay.turn_url import turn_url
from tests.turn.relay import RunningRelay, loopback_relay, running


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRelay]:
    folder = tmp_path_factory.mktemp("relay")
    with running(loopback_relay(folder), folder) as started:
        yield started


@pytest.fixture
def trusted(relay: RunningRelay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(relay.relay.certificate))


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS"])
async def test_each_transport_is_timed(relay: RunningRelay, transport: str) -> None:
    (url,) = (url for url in relay.relay.urls if url.name == transport)
    server = relay.credential()
    allocation = await allocate(url, server.username, server.credential, ["8.8.8.8"])
    assert allocation.relayed_host == "127.0.0.1"
    assert 0 < allocation.elapsed_ms < 5000


async def test_a_wrong_secret_is_named(relay: RunningRelay) -> None:
    server = relay.credential(secret="another secret, as long as the right one is")
    with pytest.raises(ProbeFailed, match="static-auth-secret is not RTC_TURN_SECRET"):
        await allocate(relay.relay.urls[0], server.username, server.credential)


async def test_a_relay_that_may_not_reach_the_server_is_named(relay: RunningRelay) -> None:
    server = relay.credential()
    with pytest.raises(ProbeFailed, match=r"may not reach 10\.0\.0\.5.*turn-config --peer 10\.0\.0\.5` and restart"):
        await allocate(relay.relay.urls[0], server.username, server.credential, ["10.0.0.5"])


async def test_a_relay_that_may_reach_loopback_but_is_not_told_so_is_named(tmp_path: Path) -> None:
    """coturn refuses loopback addresses, whatever its list of peers says."""
    values = replace(loopback_relay(tmp_path, names=("UDP",)), peers=("127.0.0.1",))
    with running(values, tmp_path, without=("allow-loopback-peers",)) as relay:
        server = relay.credential()
        with pytest.raises(ProbeFailed, match=r"needs both allowed-peer-ip=127\.0\.0\.1 and allow-loopback-peers"):
            await allocate(relay.relay.urls[0], server.username, server.credential, ["127.0.0.1"])


async def test_a_relay_configured_as_the_advice_says_may_reach_loopback(tmp_path: Path) -> None:
    values = replace(loopback_relay(tmp_path, names=("UDP",)), peers=("127.0.0.1",))
    with running(values, tmp_path) as relay:
        server = relay.credential()
        await allocate(relay.relay.urls[0], server.username, server.credential, ["127.0.0.1"])


async def test_a_certificate_that_browsers_would_refuse_is_named(relay: RunningRelay) -> None:
    (url,) = (url for url in relay.relay.urls if url.name == "TLS")
    with pytest.raises(ProbeFailed, match="certificate is not valid for 127"):
        await allocate(url, "user", "credential")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_relay_that_is_not_there_is_named(transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_probe, "DEADLINE_S", 0.3)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM) as silent:
        silent.bind(("127.0.0.1", 0))
        url = turn_url(f"turn:127.0.0.1:{silent.getsockname()[1]}?transport={transport}")
        with pytest.raises(ProbeFailed, match="is it running"):
            await allocate(url, "user", "credential")


async def test_the_reflexive_address_comes_from_stun(relay: RunningRelay) -> None:
    url = relay.relay.urls[0]
    address, elapsed_ms = await reflexive_address(url.host, url.port)
    assert address == "127.0.0.1"
    assert elapsed_ms > 0


async def test_what_does_not_speak_stun_is_named() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(ProbeFailed, match="is UDP to"):
        await reflexive_address("127.0.0.1", port)

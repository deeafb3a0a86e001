"""Starting and ending, as an operator sees it: exit codes, and sentences that say what to do."""

import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rtc_server.__main__ import main
from tests.e2e.server_process import running_server


@dataclass(frozen=True)
class Ended:
    code: int
    stderr: str


Serve = Callable[..., Ended]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Serve]:
    """Runs `rtc-server serve` here, with these settings and no others, where it is not to get as far as listening."""
    log, handlers, level = logging.getLogger(), logging.getLogger().handlers[:], logging.getLogger().level

    def run(*arguments: str, **settings: str) -> Ended:
        for name in [name for name in os.environ if name.startswith("RTC_")]:
            monkeypatch.delenv(name)
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        with pytest.raises(SystemExit) as ended:
            main(["serve", "--port", "0", *arguments])
        assert isinstance(ended.value.code, int)
        return Ended(ended.value.code, capsys.readouterr().err)

    yield run
    log.handlers[:] = handlers
    log.setLevel(level)


@pytest.mark.parametrize(
    ("arguments", "settings", "sentence"),
    [
        ([], {}, "set RTC_TOKEN_SECRET"),
        ([], {"RTC_TOKEN_SECRET": "too short"}, "32 bytes or more"),
        (["--demo", "--host", "0.0.0.0"], {}, "loopback only"),
        (["--demo"], {"RTC_HOST": "192.0.2.1"}, "loopback only"),
        (["--demo"], {"RTC_SAVE_INTERVAL": "often"}, "RTC_SAVE_INTERVAL"),
        (["--demo"], {"RTC_CORS_ORIGINS": "*"}, "RTC_CORS_ORIGINS"),
        (["--demo"], {"RTC_TURN_URLS": "turn:relay.example.org"}, "RTC_TURN_SECRET"),
        (["--demo"], {"RTC_SERVER_TURN": "1"}, "RTC_TURN_URLS"),
        (["--workers", "2"], {"RTC_TOKEN_SECRET": 40 * "x"}, "RTC_REDIS_URL"),
        (["--workers", "many"], {}, "RTC_WORKERS"),
        (["--workers", "2", "--demo"], {"RTC_REDIS_URL": "redis://127.0.0.1/0"}, "demo mode is one server"),
        (["--workers", "2"], {"RTC_REDIS_URL": "redis://127.0.0.1/0", "RTC_UDP_PORTS": "40000-40010"}, "widen it"),
        (["--demo"], {"RTC_REDIS_URL": "redis://127.0.0.1/0"}, "RTC_FLEET_SECRET"),
        (["--demo"], {"RTC_REDIS_URL": "nonsense", "RTC_FLEET_SECRET": 40 * "x"}, "RTC_REDIS_URL"),
        (["--demo"], {"RTC_TLS_CERTIFICATE": "missing.pem"}, "RTC_TLS_PRIVATE_KEY"),
    ],
)
def test_a_server_that_must_not_start_says_why(
    serve: Serve, arguments: list[str], settings: dict[str, str], sentence: str
) -> None:
    ended = serve(*arguments, **settings)
    assert ended.code == 2
    assert sentence in ended.stderr
    assert len(ended.stderr.splitlines()) == 1, "one line, no traceback"
    assert "too short" not in ended.stderr, "a secret is never repeated"


def test_a_database_that_is_down_is_one_clear_line(serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free_again = taken.getsockname()[1]
    url = f"mysql+aiomysql://someone:hunter2@127.0.0.1:{free_again}/platform"
    ended = serve("--demo", RTC_DATABASE_URL=url)
    assert ended.code == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "hunter2" not in ended.stderr


def test_a_port_that_is_taken_is_one_clear_line(serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = serve("--demo", "--port", str(taken.getsockname()[1]))
    assert ended.code == 2
    assert "choose another RTC_PORT" in ended.stderr


def test_a_port_for_metrics_that_is_taken_is_one_clear_line(serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = serve("--demo", RTC_METRICS_PORT=str(taken.getsockname()[1]))
    assert ended.code == 2
    assert len(ended.stderr.splitlines()) == 1
    assert "choose another RTC_METRICS_PORT" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
async def test_told_to_stop_it_ends_cleanly(sqlite_url: str, how: signal.Signals) -> None:
    async with running_server("--demo", RTC_DATABASE_URL=sqlite_url) as server:
        assert await server.stop(how) == 0

"""The image, built and run: it starts, says that it is well, and stores a learner.

`make image-test` runs these.
"""

import logging
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.image.built_image import ROOT, Container, container
from tests.publisher.clips import write_video

INSTALLED_LIMIT_MB = 480
"""459 MB as measured: OpenCV 130, FFmpeg in PyAV 104, NumPy 60, MediaPipe 36, SQLAlchemy 27."""
LOG = logging.getLogger(__name__)
SECRET = "a secret of the tests, 32 bytes or more"

pytestmark = [pytest.mark.image, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def image() -> Iterator[Container]:
    with container() as built:
        yield built


@pytest.fixture(scope="module")
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
        return number


@pytest.fixture(scope="module")
def server(image: Container, port: int) -> Iterator[psutil.Process]:
    """The server's own process, started by the image's ENTRYPOINT and CMD, once it listens."""
    command = image.command(
        *image.config["Entrypoint"],
        *image.config["Cmd"],
        RTC_HOST="127.0.0.1",
        RTC_PORT=str(port),
        RTC_ICE_ADDRESSES="127.0.0.1",
        RTC_TOKEN_SECRET=SECRET,
    )
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        try:
            assert run.stdout is not None
            said = ""
            while f"127.0.0.1:{port}" not in said:
                line = run.stdout.readline()
                assert line, f"The server ended before it listened: {said}"
                said += line
            (process,) = [one for one in psutil.Process(run.pid).children(recursive=True) if "rtc-server" in one.name()]
            yield process
        finally:
            for one in psutil.Process(run.pid).children(recursive=True):
                if "buildah" not in one.name():
                    one.terminate()


def test_it_runs_as_nobody_in_particular(server: psutil.Process) -> None:
    assert server.uids().real == server.uids().effective == 10001


@pytest.mark.usefixtures("server")
def test_its_healthcheck_tells_a_server_that_answers_from_one_that_does_not(image: Container, port: int) -> None:
    kind, *command = image.config["Healthcheck"]["Test"]
    assert kind == "CMD"
    assert image.run(*command, RTC_PORT=str(port)).returncode == 0
    assert image.run(*command, RTC_PORT="9").returncode != 0


def test_a_published_learner_is_a_row_and_sigterm_ends_it_in_order(
    server: psutil.Process, image: Container, port: int, tmp_path: Path
) -> None:
    started_at = time.time()
    clip = write_video(tmp_path / "bars.mp4", seconds=2)
    (image.root / "tmp/bars.mp4").write_bytes(clip.read_bytes())
    published = image.run(
        *("rtc-server", "publish", "/tmp/bars.mp4", "--url", f"http://127.0.0.1:{port}/whip", "--user", "42"),
        RTC_TOKEN_SECRET=SECRET,
    )
    assert published.returncode == 0, published.stderr
    server.send_signal(signal.SIGTERM)
    server.wait(timeout=15)

    state = image.root / str(image.config["WorkingDir"]).lstrip("/")
    with sqlite3.connect(state / "var/rtc-server.sqlite3") as database:
        assert database.execute("SELECT user_id, module_id FROM eye_tracking_sessions").fetchall() == [(42, 1)]
    database.close()
    allowed = (state, image.root / "tmp", *(image.root / name for name in ("proc", "sys", "dev", "run", "etc")))
    written = [
        path
        for path in image.root.rglob("*")
        if not path.is_relative_to(image.root / "proc") and not path.is_relative_to(image.root / "sys")
        if path.is_file() and path.lstat().st_mtime > started_at and not any(map(path.is_relative_to, allowed))
    ]
    assert written == []


@pytest.mark.parametrize("command", ["publish", "analyze", "replay", "check", "db", "erase", "token", "turn-config"])
def test_each_command_says_how_it_is_used(image: Container, command: str) -> None:
    said = image.run("rtc-server", command, "--help")
    assert said.returncode == 0, said.stderr


def test_a_clip_can_be_analysed_and_a_plot_says_what_to_install(image: Container, tmp_path: Path) -> None:
    clip = write_video(tmp_path / "bars.mp4")
    (image.root / "tmp/bars.mp4").write_bytes(clip.read_bytes())
    analysed = image.run("rtc-server", "analyze", "/tmp/bars.mp4")
    assert analysed.returncode == 0, analysed.stderr
    refused = image.run("rtc-server", "analyze", "/tmp/bars.mp4", "--plot", "/tmp/bars.png")
    assert refused.returncode == 2
    assert "pip install 'rtc-server[plot]'" in refused.stderr


def test_it_has_the_pages_and_the_relays_template(image: Container) -> None:
    (package,) = (image.root / "opt/rtc-server/lib").glob("python3.*/site-packages/rtc_server")
    for folder in ("static", "turn"):
        ours, theirs = ({path.relative_to(top) for path in top.rglob("*")} for top in (ROOT / folder, package / folder))
        assert ours == theirs


def test_the_image_is_small_and_holds_no_tool_to_build_with(image: Container) -> None:
    LOG.warning("the image: %.0f MB, of which %.0f MB are not its base", image.size_mb(), image.installed_mb())
    assert image.installed_mb() < INSTALLED_LIMIT_MB
    venv = image.root / "opt/rtc-server"
    assert not {path.name for path in (venv / "bin").iterdir()} & {"pip", "pip3", "gcc", "cc", "hatchling"}
    assert not [path for path in venv.glob("lib/python3.*/site-packages/*") if re.match(r"pip\b|hatch", path.name)]


def test_a_user_who_is_not_root_can_read_all_of_it(image: Container) -> None:
    unreadable = [
        path
        for path in (image.root / "opt/rtc-server").rglob("*")
        if not path.is_symlink() and not path.stat().st_mode & stat.S_IROTH
    ]
    assert unreadable == []

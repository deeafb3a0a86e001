"""`make dist` makes a wheel that runs: in an environment of its own, from another folder, without this checkout."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import sysconfig
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import rtc_server
from tests.publisher.clips import write_video

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("RTC_", "PYTHON", "VIRTUAL"))}

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(["make", "dist", f"VENV={sys.prefix}", f"DIST={folder}"], cwd=ROOT, check=True, capture_output=True)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`rtc-server`, installed from the wheel. The packages it needs are those of this environment."""
    venv = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", venv / "bin/python"]
    subprocess.run([*pip, "install", "-qq", "--no-deps", "--no-index", wheel], check=True)
    # A path in a .pth file is searched, and the .pth files in it are not read: not the one that leads to this checkout.
    (packages,) = venv.glob("lib/python3.*/site-packages")
    (packages / "locked.pth").write_text(sysconfig.get_path("purelib"))
    return venv / "bin/rtc-server"


def test_it_holds_all_that_the_server_reads_and_nothing_of_the_tests(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {f"rtc_server/{path.relative_to(ROOT)}" for top in ("static", "turn") for path in _files(ROOT / top)}
    wanted |= {str(path.relative_to(ROOT)) for path in _files(ROOT / "rtc_server")}
    assert wanted <= names
    assert "rtc_server/py.typed" in names
    assert not [name for name in names - wanted if ".dist-info/" not in name]


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def test_it_says_its_version(program: Path, tmp_path: Path) -> None:
    said = subprocess.run(
        [program, "--version"], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    assert said.stdout == f"rtc-server {rtc_server.__version__}\n"


def test_the_demo_serves_its_page_and_stores_a_published_learner(program: Path, tmp_path: Path) -> None:
    clip = write_video(tmp_path / "bars.mp4", seconds=2)
    with _demo(program, tmp_path) as url:
        for path in ("", "check", "static/webcam-webrtc.js"):
            with urllib.request.urlopen(url + path, timeout=5) as page:
                assert page.status == 200
        subprocess.run(
            [program, "publish", clip, "--url", f"{url}whip", "--user", "7"],
            cwd=tmp_path, env=ENVIRONMENT, check=True, capture_output=True,
        )  # fmt: skip
    with closing(sqlite3.connect(tmp_path / "var/rtc-server.sqlite3")) as database:
        rows = database.execute("SELECT user_id FROM eye_tracking_sessions").fetchall()
    assert len(rows) == 1


@contextmanager
def _demo(program: Path, folder: Path) -> Iterator[str]:
    """Its address, once it listens. It has ended in order afterwards."""
    server = subprocess.Popen(
        [program, "serve", "--demo", "--port", "0"],
        cwd=folder, env=ENVIRONMENT | {"RTC_ICE_ADDRESSES": "127.0.0.1"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        said = ""
        while not (found := re.search(r"http://127\.0\.0\.1:\d+/?", said)):
            line = server.stdout.readline()
            assert line, f"The server ended before it listened: {said}"
            said += line
        yield found[0].rstrip("/") + "/"
    finally:
        server.send_signal(signal.SIGTERM)
        said, _ = server.communicate(timeout=20)
    assert server.returncode == 0, said

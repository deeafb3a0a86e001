"""The image, as far as it can be known without a Docker engine: its rules, and each of its RUN lines run."""

import asyncio
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from rtc_server.settings import Settings
from tests.deployment import dockerfile
from tests.deployment.dockerfile import Instruction

ROOT = Path(__file__).parents[2]
BUILD, FINAL = dockerfile.read(ROOT / "Dockerfile")
BASE_IMAGE_MB = 160
"""python:3.11-slim-bookworm for amd64, unpacked, with room to grow."""
BYTECODE_SHARE = 1.1
"""Of what is installed, with the modules compiled, which the test leaves out."""
IMAGE_LIMIT_MB = 900

pytestmark = pytest.mark.timeout(600)


def test_both_stages_have_the_same_pinned_base() -> None:
    assert BUILD.base == FINAL.base
    assert not BUILD.base.endswith(":latest")
    assert ":" in BUILD.base


def test_what_is_installed_is_locked_with_hashes() -> None:
    for instruction in BUILD.all("RUN"):
        for command in instruction.text.split("&&"):
            if "pip" in command.split() and "install" in command.split():
                assert "--require-hashes" in command or "--no-index" in command
                assert "--no-deps" in command


def test_the_last_stage_runs_nothing_and_takes_only_what_was_built() -> None:
    assert FINAL.all("RUN") == FINAL.all("ADD") == BUILD.all("ADD") == []
    assert all(copy.flags.get("from") == "build" for copy in FINAL.all("COPY"))


def test_it_is_not_root() -> None:
    user, group = FINAL.one("USER").text.split(":")
    assert int(user) > 0
    assert int(group) > 0
    state = next(copy for copy in FINAL.all("COPY") if copy.words[-1] == FINAL.one("WORKDIR").text)
    assert state.flags["chown"] == f"{user}:{group}"


def test_what_is_written_by_default_is_written_into_the_state_folder() -> None:
    """Beside it everything is read-only (test_compose.py)."""
    assert not {"RTC_SPOOL", "RTC_DATABASE_URL"} & set(dockerfile.environment(FINAL))
    assert not Settings.model_fields["spool"].default.is_absolute()


def test_signals_reach_the_server_itself() -> None:
    assert FINAL.one("ENTRYPOINT").command == ["rtc-server"]
    assert FINAL.one("CMD").command == ["serve"]
    assert FINAL.one("STOPSIGNAL").text == "SIGTERM"


async def test_the_healthcheck_tells_a_server_that_answers_from_one_that_does_not(healthy_port: int) -> None:
    _, *arguments = FINAL.one("HEALTHCHECK").command
    for port, well in ((healthy_port, True), (9, False)):
        check = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, env={"RTC_PORT": str(port)}, stderr=asyncio.subprocess.DEVNULL
        )
        assert (await check.wait() == 0) is well


@pytest.fixture
async def healthy_port() -> AsyncIterator[int]:
    async def answer(request: web.Request) -> web.Response:
        return web.Response()

    application = web.Application()
    application.router.add_get("/healthz", answer)
    async with TestServer(application) as server:
        assert server.port is not None
        yield server.port


def test_no_secret_is_in_the_image() -> None:
    named = {name for stage in (BUILD, FINAL) for name in dockerfile.environment(stage)}
    assert not [name for name in named if "SECRET" in name or "PASSWORD" in name or name == "RTC_DATABASE_URL"]
    assert not FINAL.all("ARG")


def test_the_build_sees_exactly_what_it_copies() -> None:
    copied = {name for copy in BUILD.all("COPY") for name in copy.words[:-1]}
    assert dockerfile.context(ROOT) == copied


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The build stage's file system, with its absolute paths moved under a temporary folder."""
    root = tmp_path_factory.mktemp("image")
    host = root / "usr/local"
    subprocess.run([sys.executable, "-m", "venv", host], check=True)
    # As the base image has it; older ones take a minute longer to look through an index.
    subprocess.run([host / "bin/python", "-m", "pip", "-qq", "install", "--upgrade", "pip"], check=True)
    variables = dockerfile.environment(BUILD)
    # What `make setup` fetched need not be fetched again, and compiling every module takes half of the time.
    del variables["PIP_NO_CACHE_DIR"]
    variables["PIP_NO_COMPILE"] = "1"
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("RTC_", "PYTHON", "VIRTUAL"))
    }
    inherited["PATH"] = f"{host}/bin:/usr/bin:/bin"
    folder = root
    for instruction in BUILD.instructions:
        match instruction.name:
            case "WORKDIR":
                folder = root / instruction.text.lstrip("/")
                folder.mkdir(parents=True, exist_ok=True)
            case "COPY":
                _copy(instruction, folder)
            case "RUN":
                _run(instruction.text.replace("/opt/", f"{root}/opt/"), folder, inherited | variables)
    yield root
    shutil.rmtree(root)


def test_each_run_line_works_and_the_result_is_a_server(built: Path, tmp_path: Path) -> None:
    program = built / "opt/rtc-server/bin/rtc-server"
    said = subprocess.run(
        [program, "turn-config"],
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "RTC_TURN_URLS": "turn:relay.example:3478",
            "RTC_TURN_SECRET": "0123456789abcdef" * 4,
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "use-auth-secret" in said.stdout
    (package,) = (built / "opt/rtc-server/lib").glob("python3.*/site-packages/rtc_server")
    assert sorted(path.name for path in (ROOT / "static").iterdir()) == sorted(
        path.name for path in (package / "static").iterdir()
    )


def test_the_image_is_small_and_holds_no_tool_to_build_with(built: Path) -> None:
    venv = built / "opt/rtc-server"
    size_mb = sum(path.lstat().st_size for path in venv.rglob("*") if not path.is_symlink()) / 1e6
    assert size_mb * BYTECODE_SHARE < IMAGE_LIMIT_MB - BASE_IMAGE_MB
    assert not {path.name for path in (venv / "bin").iterdir()} & {"pip", "pip3", "gcc", "cc", "hatchling"}
    assert not list(venv.glob("lib/python3.*/site-packages/pip"))


def test_a_user_who_is_not_root_can_read_all_of_it(built: Path) -> None:
    unreadable = [
        path
        for path in (built / "opt/rtc-server").rglob("*")
        if not path.is_symlink() and not path.stat().st_mode & stat.S_IROTH
    ]
    assert unreadable == []


def _copy(instruction: Instruction, folder: Path) -> None:
    *sources, target = instruction.words
    for name in sources:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / target)


def _run(command: str, folder: Path, variables: dict[str, str]) -> None:
    done = subprocess.run(["/bin/sh", "-ec", command], cwd=folder, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, f"RUN {command}\n{done.stdout}{done.stderr}"

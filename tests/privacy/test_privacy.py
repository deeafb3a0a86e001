"""What the server says and touches while it watches a face, seen from outside: by its log and by its system calls."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import psutil
import pytest

from rtc_server.learner import Learner
from rtc_server.web.access.auth import mint_token
from tests.camera import write_y4m

SECRET = "a secret of the tests, long enough for HS256"
LEARNER = Learner(user_id=707070701, module_id=808080802, section_id=909090903)
NAME = "Ana de la Cruz"
LISTENING = re.compile(r"http://127\.0\.0\.1:(\d+)/")
WITHIN_S = 45.0

TRACED = "open,openat,creat,rename,renameat,renameat2,mkdir,mkdirat,link,linkat,symlink,symlinkat,mknod,connect,sendto"
WRITES = re.compile(r'(?:open|openat|creat)\((?:[^"]*, )?"([^"]*)", [^)]*(?:O_WRONLY|O_RDWR|O_CREAT)')
OTHER_FILES = re.compile(r'\b(?:rename|renameat2?|mkdir|mkdirat|link|linkat|symlink|symlinkat|mknod)\(.*?"([^"]*)"')
ADDRESS = re.compile(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"')


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_y4m(tmp_path_factory.mktemp("clip") / "face.y4m")


@asynccontextmanager
async def _watched_face(folder: Path, clip: Path, *prefix: str, log_level: str) -> AsyncIterator[list[str]]:
    """Runs a server under `prefix`, sends it a face for two seconds, stops it; gives all that it printed."""
    settings = {
        "RTC_TOKEN_SECRET": SECRET,
        "RTC_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/rows.sqlite3",
        "RTC_LOG_LEVEL": log_level,
        # What a tool would leave behind beside the server's own doing.
        "PYTHONDONTWRITEBYTECODE": "1",
        "MPLCONFIGDIR": str(folder),
        "PATH": "/usr/bin:/bin",
    }
    server = await asyncio.create_subprocess_exec(
        *prefix, sys.executable, "-m", "rtc_server", "serve", "--port", "0",
        env=settings, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert server.stdout is not None
    lines: list[str] = []
    try:
        async with asyncio.timeout(WITHIN_S):
            while not (found := LISTENING.search(lines[-1] if lines else "")):
                line = await server.stdout.readline()
                assert line, "\n".join(lines)
                lines.append(line.decode())
            await _publish(clip, f"http://127.0.0.1:{found[1]}/whip")
            # Under strace it is the child that has to be told.
            for child in [*psutil.Process(server.pid).children(), psutil.Process(server.pid)][:1]:
                child.terminate()
            lines += (await server.stdout.read()).decode().splitlines()
            await server.wait()
    finally:
        if server.returncode is None:
            for process in [*psutil.Process(server.pid).children(recursive=True), psutil.Process(server.pid)]:
                process.kill()
            await server.wait()
    yield lines


async def _publish(clip: Path, url: str) -> None:
    token = mint_token(SECRET, LEARNER, audience="rtc-server", name=NAME)
    publisher = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "rtc_server", "publish", str(clip),
        "--url", url, "--token", token, "--duration", "2", "--loop", "--json",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await publisher.communicate()
    assert publisher.returncode == 0, err.decode()
    assert b'"updates_received"' in out


async def test_the_log_says_what_happened_and_never_to_whom(tmp_path: Path, clip: Path) -> None:
    async with _watched_face(tmp_path, clip, log_level="debug") as lines:
        log = "\n".join(lines)
    for event in ('"route": "/whip"', '"event": "session started"', '"event": "session ended"'):
        assert event in log
    personal = {
        "a user, module or section": "|".join(map(str, (LEARNER.user_id, LEARNER.module_id, LEARNER.section_id))),
        "a name": NAME,
        "a token": r"eyJ[\w-]+\.",
        "a session description": r"a=(?:candidate|ice-|fingerprint|rtpmap)|ice-ufrag",
        "a metric of a person": r"focused|yaw|gaze|perclos|on_screen",
        "an address of a client": r'(?<!http://)(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}|fd00::',
    }  # fmt: skip
    for what, pattern in personal.items():
        found = re.search(pattern, log)
        assert not found, f"the log holds {what}: {found}"


async def test_pixels_stay_in_memory_and_nobody_outside_is_told(tmp_path: Path, clip: Path) -> None:
    calls = tmp_path / "system-calls"
    strace = ("strace", "-f", "--seccomp-bpf", "-qq", "-e", f"trace={TRACED}", "-o", str(calls))
    async with _watched_face(tmp_path, clip, *strace, log_level="info") as lines:
        assert lines
    traced = calls.read_text(errors="replace").splitlines()

    written = {tmp_path / path for line in traced for path in _written(line)}
    # Traced, the server is slow, and so is its database: what is counted may wait in the spool.
    files = ("rows.sqlite3", "var/spool/spool.sqlite3")
    allowed = {tmp_path / f"{file}{suffix}" for file in files for suffix in ("", "-journal", "-wal", "-shm")}
    allowed |= {tmp_path / "var", tmp_path / "var/spool"}
    assert tmp_path / "rows.sqlite3" in written, "strace saw nothing"
    left_over = {path for path in written - allowed if not path.is_relative_to("/dev") and not _is_matplotlib(path)}
    assert not left_over, f"files were written: {left_over}"

    own = {address.address.partition("%")[0] for addresses in psutil.net_if_addrs().values() for address in addresses}
    contacted = {address for line in traced if "connect(" in line or "sendto(" in line for address in _addresses(line)}
    outside = {address for address in contacted if address not in own and not ip_address(address).is_loopback}
    assert not outside, f"addresses outside of this machine were contacted: {outside}"


def _written(line: str) -> Iterator[str]:
    if "ENOENT" in line or "EEXIST" in line or "O_DIRECTORY" in line:
        return
    for pattern in (WRITES, OTHER_FILES):
        found = pattern.search(line)
        if found:
            yield found[1]


def _is_matplotlib(path: Path) -> bool:
    """MediaPipe imports it, and it writes down the names of the system's fonts."""
    return "fontlist" in path.name or path.suffix == ".matplotlib-lock"


def _addresses(line: str) -> Iterator[str]:
    for found in ADDRESS.finditer(line):
        yield found[1] or found[2]

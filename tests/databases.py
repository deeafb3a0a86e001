"""Private database servers for the tests: a temporary folder, a Unix socket, no durability, gone at the end.

`mariadb_url` and `postgresql_url` are new, empty databases; `database_url` runs a test on all three kinds.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TypeVar

import pymysql
import pytest

Server = TypeVar("Server", bound="PrivateServer")

AS_ROOT = os.geteuid() == 0
START_WITHIN_S = 30.0
PASSWORD = "correct-horse"
"""Of the user `guarded`, whom both servers let in by password only."""


class PrivateServer:
    """A database server of this test run alone. `stop` and `start` it as you like: the data stays."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._names = count(1)

    def command(self) -> Sequence[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def new_database(self) -> str:
        """Creates an empty database and returns its URL."""
        raise NotImplementedError

    def url(self, user: str, name: str) -> str:
        raise NotImplementedError

    def execute(self, statement: str) -> None:
        """With all rights."""
        raise NotImplementedError

    def new_name(self) -> str:
        return f"test_{next(self._names)}"

    def start(self) -> None:
        log = self.folder / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(self.command(), stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + START_WITHIN_S
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop(signal.SIGKILL)
                pytest.fail(f"{self.command()[0]} did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(START_WITHIN_S)
            self._process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """The server is there, and does nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)


class PrivateMariaDb(PrivateServer):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.socket = folder / "socket"
        temporary = folder / "temporary"  # in /tmp, two servers with the same process id would meet
        temporary.mkdir()
        self._common = ["--no-defaults", f"--datadir={folder / 'data'}", f"--tmpdir={temporary}"]
        self._common.append("--innodb-flush-method=nosync")
        if AS_ROOT:
            self._common.append("--user=root")
        quick = ["--auth-root-authentication-method=normal", "--skip-test-db", "--innodb-log-file-size=8M"]
        _run([_program("mariadb-install-db", "mariadb-server"), *self._common, *quick])

    def command(self) -> Sequence[str]:
        return [
            _program("mariadbd", "mariadb-server"),
            *self._common,
            f"--socket={self.socket}",
            f"--pid-file={self.folder / 'pid'}",
            "--skip-networking",
            "--skip-log-bin",
            "--innodb-log-file-size=8M",
            "--innodb-buffer-pool-size=16M",
            "--innodb-flush-log-at-trx-commit=0",
            "--performance-schema=off",
            # Not the one our connections ask for: what we store must be UTC whatever the server thinks.
            "--default-time-zone=+09:00",
        ]

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        super().stop(how)

    def execute(self, statement: str) -> None:
        connection = self._connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()

    def new_database(self) -> str:
        name = self.new_name()
        self.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return self.url("root", name)

    def url(self, user: str, name: str) -> str:
        return f"mysql+aiomysql://{user}@localhost/{name}?unix_socket={self.socket}"

    def _connect(self) -> "pymysql.Connection[pymysql.cursors.Cursor]":
        return pymysql.connect(unix_socket=str(self.socket), user="root", autocommit=True)


class PrivatePostgreSql(PrivateServer):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        data = folder / "data"
        if AS_ROOT:  # PostgreSQL will not run as root
            account = pwd.getpwnam("postgres")
            os.chown(folder, account.pw_uid, account.pw_gid)
        options = ["--auth=trust", "--username=root", "--no-sync", "--no-instructions", "--encoding=UTF8"]
        _run([*self._as_postgres("initdb"), f"--pgdata={data}", "--locale=C", *options])
        access = data / "pg_hba.conf"
        access.write_text("local all guarded scram-sha-256\n" + access.read_text())

    def command(self) -> Sequence[str]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": self.folder,
            "fsync": "off",
            "full_page_writes": "off",
            "synchronous_commit": "off",
            "autovacuum": "off",
            "shared_buffers": "16MB",
            # As above.
            "timezone": "Asia/Tokyo",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [*self._as_postgres("postgres"), "-D", str(self.folder / "data"), *options]

    def answers(self) -> bool:
        ready = [_postgresql_program("pg_isready"), "--quiet", f"--host={self.folder}"]
        return subprocess.run(ready, check=False).returncode == 0

    def execute(self, statement: str) -> None:
        psql = [_postgresql_program("psql"), "--no-psqlrc", "--quiet", f"--host={self.folder}", "--username=root"]
        _run([*psql, "--dbname=postgres", "--set=ON_ERROR_STOP=1", f"--command={statement}"])

    def new_database(self) -> str:
        name = self.new_name()
        self.execute(f"CREATE DATABASE {name}")
        return self.url("root", name)

    def url(self, user: str, name: str) -> str:
        return f"postgresql+asyncpg://{user}@/{name}?host={self.folder}"

    def _as_postgres(self, program: str) -> list[str]:
        path = _postgresql_program(program)
        if not AS_ROOT:
            return [path]
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", path]


def _program(name: str, package: str) -> str:
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if path is None:
        pytest.fail(f"{name} is missing: apt-get install {package}")
    return path


def _postgresql_program(name: str) -> str:
    """The newest installed; Debian keeps them out of the PATH."""
    installed = Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    newest = max(installed, key=lambda path: float(path.parts[-3]), default=None)
    return str(newest) if newest else _program(name, "postgresql")


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=START_WITHIN_S, cwd="/")
    if done.returncode != 0:
        pytest.fail(f"{command[0]} failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")


@contextmanager
def _running(kind: type[Server]) -> Iterator[Server]:
    # Not pytest's own folder: the path of a Unix socket has 107 bytes at most.
    folder = Path(tempfile.mkdtemp(prefix="rtc-db-"))
    try:
        server = kind(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[PrivateMariaDb]:
    with _running(PrivateMariaDb) as server:
        server.execute(f"CREATE USER guarded@localhost IDENTIFIED BY '{PASSWORD}'")
        yield server


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PrivatePostgreSql]:
    with _running(PrivatePostgreSql) as server:
        server.execute(f"CREATE ROLE guarded LOGIN PASSWORD '{PASSWORD}'")
        yield server


@pytest.fixture
def mariadb_url(mariadb_server: PrivateMariaDb) -> str:
    """A new, empty database, for `RTC_DATABASE_URL`."""
    return mariadb_server.new_database()


@pytest.fixture
def postgresql_url(postgresql_server: PrivatePostgreSql) -> str:
    return postgresql_server.new_database()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'rtc.sqlite3'}"


@pytest.fixture(params=["sqlite", "mariadb", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A new, empty database of each kind in turn."""
    return request.getfixturevalue(f"{request.param}_url")

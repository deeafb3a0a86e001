"""What is said when there is no database to be had: one sentence, what to do, and never the password."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from rtc_server.errors import StoreUnavailable
from rtc_server.store.connections import open_reads
from rtc_server.store.engine import open_store
from tests.databases import PASSWORD, PrivateMariaDb, PrivatePostgreSql
from tests.store.conftest import Keep, query


async def complaint(url: str, connect_timeout_s: float = 15.0) -> str:
    with pytest.raises(StoreUnavailable) as caught:
        await open_store(url, connect_timeout_s=connect_timeout_s)
    sentence = str(caught.value)
    assert "hunter2" not in sentence
    assert PASSWORD not in sentence
    return sentence


@pytest.fixture(params=["mariadb", "postgresql"])
def server(request: pytest.FixtureRequest) -> PrivateMariaDb | PrivatePostgreSql:
    server: PrivateMariaDb | PrivatePostgreSql = request.getfixturevalue(f"{request.param}_server")
    return server


async def test_wrong_password(server: PrivateMariaDb | PrivatePostgreSql) -> None:
    said = await complaint(server.url("guarded:hunter2", "postgres"))
    assert "User 'guarded' or the password is refused" in said
    assert "RTC_DATABASE_URL" in said


async def test_unknown_database(server: PrivateMariaDb | PrivatePostgreSql) -> None:
    said = await complaint(server.url("root", "nowhere"))
    assert "There is no database 'nowhere'" in said


async def test_a_user_who_may_do_nothing(mariadb_server: PrivateMariaDb, mariadb_url: str, keep: Keep) -> None:
    name = mariadb_url.partition("localhost/")[2].partition("?")[0]
    await query(keep(create_async_engine(mariadb_url)), f"GRANT SELECT ON {name}.* TO guarded@localhost")
    said = await complaint(mariadb_server.url(f"guarded:{PASSWORD}", name))
    assert "User 'guarded' lacks rights" in said


@pytest.mark.parametrize("scheme", ["mysql+aiomysql", "postgresql+asyncpg"])
async def test_nobody_listens_there(scheme: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and listening to nobody
        port = taken.getsockname()[1]
        said = await complaint(f"{scheme}://platform:hunter2@127.0.0.1:{port}/academy")
    assert f"the database server at 127.0.0.1:{port}" in said
    assert "is it running" in said


@pytest.mark.parametrize("scheme", ["mysql+aiomysql", "postgresql+asyncpg"])
async def test_somebody_listens_and_says_nothing(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        said = await complaint(f"{scheme}://platform:hunter2@127.0.0.1:{mute.getsockname()[1]}/academy", 0.5)
    assert "is it running" in said


async def test_a_host_that_does_not_exist() -> None:
    assert "at nowhere.invalid" in await complaint("mysql+aiomysql://platform:hunter2@nowhere.invalid/academy")


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database at all" * 100)
    said = await complaint(f"sqlite+aiosqlite:///{tmp_path}/notes.txt")
    assert "notes.txt cannot be used: file is not a database" in said


@pytest.mark.parametrize("url", ["hunter2", "oracle://platform:hunter2@host/academy", "mysql://u:hunter2@host:port/x"])
async def test_an_address_of_another_kind(url: str) -> None:
    assert "mysql+aiomysql://" in await complaint(url)


async def test_the_folder_of_an_embedded_database_is_made(tmp_path: Path, keep: Keep) -> None:
    keep(await open_store(f"sqlite:///{tmp_path}/var/deep/rtc.sqlite3"))
    assert (tmp_path / "var/deep/rtc.sqlite3").exists()


@asynccontextmanager
async def over_tcp(unix_socket: Path) -> AsyncIterator[int]:
    """A port of this machine that leads to a server's Unix socket."""

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()
        await writer.wait_closed()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        back, forth = await asyncio.open_unix_connection(str(unix_socket))
        await asyncio.gather(pass_on(reader, forth), pass_on(back, writer), return_exceptions=True)

    serving: list[Any] = []
    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        yield listener.sockets[0].getsockname()[1]
        await asyncio.gather(*serving)


async def test_a_connection_over_tcp_is_kept_alive(
    server: PrivateMariaDb | PrivatePostgreSql,
) -> None:
    """The drivers have no public way to their sockets: this fails where their private ones change."""
    name = server.new_database().partition("?")[0].rpartition("/")[2]
    mysql = isinstance(server, PrivateMariaDb)
    path = server.socket if mysql else server.folder / ".s.PGSQL.5432"
    async with over_tcp(path) as port:
        engine = await open_store(f"{'mysql' if mysql else 'postgresql'}://root@127.0.0.1:{port}/{name}")
        try:
            async with engine.connect() as connection:
                driver = (await connection.get_raw_connection()).driver_connection
                transport = driver._writer.transport if mysql else driver._transport
                own = transport.get_extra_info("socket")
                assert own.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
                assert own.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
        finally:
            await engine.dispose()


async def test_who_reads_waits_for_no_writer_and_no_writer_for_them(sqlite_url: str, keep: Keep) -> None:
    writes, reads = keep(await open_store(sqlite_url, connect_timeout_s=0.2)), keep(open_reads(sqlite_url))
    async with writes.begin() as writing:
        await writing.execute(text("DELETE FROM rtc_focus_sessions"))
        assert await query(reads, "SELECT count(*) FROM rtc_focus_sessions") == [(0,)]

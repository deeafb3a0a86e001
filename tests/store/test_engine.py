"""What is said when there is no database to be had: one sentence, what to do, and never the password."""

import socket
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from rtc_server.errors import StoreUnavailable
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
    assert "User 'guarded' may not do what is needed" in said


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

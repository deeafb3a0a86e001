import asyncio
import re
from pathlib import Path

import alembic.command
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from rtc_server.errors import StoreUnavailable
from rtc_server.focus.state import Totals
from rtc_server.store import upgrade
from rtc_server.store.engine import open_store
from rtc_server.store.reader import FocusReader
from rtc_server.store.schema import own_metadata
from rtc_server.store.upgrade import VERSION_TABLE
from tests.databases import PrivateMariaDb
from tests.store.conftest import Keep, StartWriter, query
from tests.store.platform import DESIGNED, OLD_ROWS, grown
from tests.store.records import hand_over, record, span


async def definition(engine: AsyncEngine) -> object:
    """All that the database says about the platform's table."""
    if engine.dialect.name == "mysql":
        ((_, statement),) = await query(engine, "SHOW CREATE TABLE eye_tracking_sessions")
        return re.sub(r" AUTO_INCREMENT=\d+", "", statement)
    if engine.dialect.name == "sqlite":
        return await query(engine, "SELECT sql FROM sqlite_schema WHERE tbl_name = 'eye_tracking_sessions'")
    return await query(
        engine,
        "SELECT column_name, data_type, column_default, is_nullable FROM information_schema.columns "
        "WHERE table_name = 'eye_tracking_sessions' ORDER BY ordinal_position",
    )


async def old_rows(engine: AsyncEngine) -> list[tuple[object, ...]]:
    return await query(engine, "SELECT * FROM eye_tracking_sessions WHERE id <= 3 ORDER BY id")


async def test_adopts_a_table_with_its_rows_and_alters_neither(
    database_url: str, plain: AsyncEngine, keep: Keep, start_writer: StartWriter
) -> None:
    await query(plain, grown(plain.dialect.name))
    await query(plain, OLD_ROWS)
    before = await definition(plain), await old_rows(plain)

    engine = keep(await open_store(database_url))
    writer = await start_writer(engine)
    one = record(None, span(0, 4.2))
    for _ in range(2):
        hand_over(writer, one)
        await writer.settle(one.focus_session_id)

    assert (await definition(plain), await old_rows(plain)) == before
    assert await query(engine, "SELECT id, browser, score FROM eye_tracking_sessions WHERE id > 3") == [
        (4, "unknown", None)
    ]
    found = await FocusReader(engine).stored_session(one.focus_session_id)
    assert found is not None
    assert found.row is not None
    assert (found.record, found.row.id, found.row.total_time_seconds) == (one, 4, 4)


async def test_the_table_it_makes_is_the_platforms(
    mariadb_server: PrivateMariaDb, mariadb_url: str, keep: Keep
) -> None:
    designed_url = mariadb_server.new_database()
    designed, ours = keep(create_async_engine(designed_url)), keep(await open_store(mariadb_url))
    await query(designed, DESIGNED)
    wanted, made = await definition(designed), await definition(ours)
    # The order of the keys is all that may differ.
    assert sorted(line.strip(" ,") for line in made.splitlines()) == sorted(
        line.strip(" ,") for line in wanted.splitlines()
    )


async def test_the_migrations_end_where_the_tables_are_described(engine: AsyncEngine) -> None:
    def differences(connection: Connection) -> list[object]:
        options = {
            "include_name": lambda name, kind, _: kind != "table" or name in own_metadata.tables,
            "version_table": VERSION_TABLE,
        }
        return compare_metadata(MigrationContext.configure(connection, opts=options), own_metadata)

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_opening_again_keeps_everything(
    database_url: str, engine: AsyncEngine, keep: Keep, start_writer: StartWriter
) -> None:
    writer = await start_writer(engine)
    one = record(None, span(0, 4.2))
    hand_over(writer, one)
    await writer.settle(one.focus_session_id)
    again = keep(await open_store(database_url))
    found = await FocusReader(again).stored_session(one.focus_session_id)
    assert found is not None
    assert found.record == one


async def test_servers_that_start_together_take_turns(database_url: str, keep: Keep) -> None:
    engines = await asyncio.gather(*(open_store(database_url) for _ in range(4)))
    for one in engines:
        keep(one)
    async with engines[0].connect() as connection:
        tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    ours = [VERSION_TABLE, *(table.name for table in own_metadata.sorted_tables)]
    assert sorted(tables) == sorted(["eye_tracking_sessions", *ours])
    assert await query(engines[0], f"SELECT count(*) FROM {VERSION_TABLE}") == [(1,)]


async def test_stands_beside_the_platforms_own_migrations(database_url: str, plain: AsyncEngine, keep: Keep) -> None:
    await query(plain, "CREATE TABLE alembic_version (version_num varchar(32) NOT NULL)")
    await query(plain, "INSERT INTO alembic_version VALUES ('theirs')")
    engine = keep(await open_store(database_url))
    assert await query(engine, "SELECT version_num FROM alembic_version") == [("theirs",)]


async def test_a_table_that_lacks_a_column_is_named_not_altered(database_url: str, plain: AsyncEngine) -> None:
    await query(plain, "CREATE TABLE eye_tracking_sessions (id int PRIMARY KEY, user_id int)")
    before = await definition(plain)
    with pytest.raises(StoreUnavailable, match=r"no column module_id, section_id, .*session_data"):
        await open_store(database_url)
    assert await definition(plain) == before


async def test_a_newer_servers_tables_are_left_alone(database_url: str, engine: AsyncEngine) -> None:
    await query(engine, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(StoreUnavailable, match="install the newer version"):
        await open_store(database_url)


async def test_what_the_first_version_stored_is_carried_over(database_url: str, keep: Keep) -> None:
    engine = keep(await open_store(database_url))
    async with engine.begin() as connection:
        await connection.run_sync(_back_to_the_first_version)
    await query(
        engine,
        "INSERT INTO rtc_focus_sessions (focus_session_id, platform_row_id, user_id, module_id, policy, session_type,"
        " started_at, recorded_at, focused_s, unfocused_s, unknown_s, multiple_faces_s, focus_sessions,"
        f" unfocus_sessions) VALUES ('{'a' * 36}', 11, 7, 3, 'reading/1', 'viewing', {MOMENT[engine.dialect.name]},"
        f" {MOMENT[engine.dialect.name]}, 1.5, 2.5, 0, 0, 4, 5)",
    )
    upgraded = keep(await open_store(database_url))
    found = await FocusReader(upgraded).stored_session("a" * 36)
    assert found is not None
    assert found.record.totals == Totals(1.5, 2.5, 0.0, 4, 5)
    assert found.record.merged_spans == 0
    assert await query(upgraded, "SELECT platform_row_id FROM rtc_focus_sessions") == [(11,)]


MOMENT = {"mysql": "'2026-01-02 03:04:05'", "postgresql": "'2026-01-02 03:04:05+00'", "sqlite": "'2026-01-02 03:04:05'"}


def _back_to_the_first_version(connection: Connection) -> None:
    """Drops all that is ours and makes it as version 0.1 did."""
    for table in [*own_metadata.tables, VERSION_TABLE]:
        connection.execute(text(f"DROP TABLE {table}"))
    config = Config(attributes={"connection": connection, "version_table": VERSION_TABLE})
    config.set_main_option("script_location", str(Path(upgrade.__file__).with_name("migrations")))
    alembic.command.upgrade(config, "0001")

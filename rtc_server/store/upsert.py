"""Writes rows by their primary key, whether they are there or not."""

from functools import cache
from typing import Any

from sqlalchemy import Table, literal_column
from sqlalchemy.dialects import mysql, postgresql, sqlite

from rtc_server.store.schema import MYSQL


@cache
def upsert(table: Table, dialect: str) -> Any:
    """A statement for many rows, each with all of its columns.

    To delete many rows and insert them anew would let MariaDB go through a small table, and wait for all locks.
    """
    key = [column.name for column in table.primary_key.columns]
    names = [column.name for column in table.columns if not column.primary_key]
    if dialect in MYSQL:
        in_mysql = mysql.insert(table)
        # Not `inserted`: for MySQL 8 that is written in a form which aiomysql sends row by row.
        return in_mysql.on_duplicate_key_update({name: literal_column(f"VALUES({name})") for name in names})
    module: Any = postgresql if dialect == "postgresql" else sqlite
    statement = module.insert(table)
    return statement.on_conflict_do_update(index_elements=key, set_={name: statement.excluded[name] for name in names})

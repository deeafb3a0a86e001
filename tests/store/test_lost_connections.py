"""A connection that breaks is no bug: the log says it in a line."""

import io
import json
import logging
import sqlite3
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import QueuePool

from rtc_server.structured_logging import JsonFormatter, configure_logging


class BrokenConnection(sqlite3.Connection):
    """The other end is gone, which shows when it is closed."""

    def close(self) -> None:
        super().close()
        raise ConnectionResetError(104, "Connection reset by peer")


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the server would write to standard error."""
    root, ours = logging.getLogger(), logging.getLogger("rtc_server")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    configure_logging("info")
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    assert isinstance(handler.formatter, JsonFormatter)
    written = io.StringIO()
    handler.setStream(written)
    yield written
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def test_a_reset_connection_is_a_warning_in_one_line(log: io.StringIO) -> None:
    engine = create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(":memory:", factory=BrokenConnection), poolclass=QueuePool
    )
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        connection.invalidate()
    (line,) = map(json.loads, log.getvalue().splitlines())
    assert (line["level"], line["event"]) == ("warning", "a broken connection to the database was dropped")
    assert line["error"] == "ConnectionResetError"
    assert "traceback" not in line

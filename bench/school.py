"""A school's year in MariaDB: a million sessions, made by the database itself."""

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from hashlib import md5
from pathlib import Path

from sqlalchemy import text

from rtc_server.store.engine import open_store
from rtc_server.store.platform.catalogue import catch_up
from tests.databases import PrivateMariaDb

LEARNERS = 5000
MODULES = 200
MODULES_OF_A_LEARNER = 8
DAYS = 300
OLD_ROWS = 100_000
"""Rows that only the old platform wrote."""
WITH_SPANS = 50_000
"""Sessions that have spans, the newest."""
SPANS = 20
"""Of each of these."""

_USER = f"1 + seq % {LEARNERS}"
_MODULE = f"1 + ({MODULES_OF_A_LEARNER} * (seq % {LEARNERS}) + seq DIV {LEARNERS} % {MODULES_OF_A_LEARNER}) % {MODULES}"
_BEGAN = f"TIMESTAMP('2026-01-05 08:00:00') + INTERVAL (seq DIV 5000 % {DAYS}) DAY + INTERVAL (seq * 37 % 28800) SECOND"
_ID = (
    "LOWER(CONCAT(LEFT(MD5(seq), 8), '-', SUBSTR(MD5(seq), 9, 4), '-', SUBSTR(MD5(seq), 13, 4), '-', "
    "SUBSTR(MD5(seq), 17, 4), '-', SUBSTR(MD5(seq), 21, 12)))"
)
_DATA = """'{"focused_time": 1200.5, "unfocused_time": 300.25, "unknown_time": 60.0, "focus_percentage": 80.0}'"""


class RoomyMariaDb(PrivateMariaDb):
    """As a school would run it: its tables fit into memory."""

    def command(self) -> Sequence[str]:
        return [*super().command(), "--innodb-buffer-pool-size=2G", "--innodb-log-file-size=512M"]


def session_id(number: int) -> str:
    """Of the session of that number, from 1."""

    digest = md5(str(number).encode()).hexdigest()
    return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32]))


@asynccontextmanager
async def school(sessions: int) -> AsyncIterator[str]:
    """The URL of a database with so many sessions."""
    with tempfile.TemporaryDirectory(prefix="rtc-school-") as folder:
        server = RoomyMariaDb(Path(folder))
        server.start()
        try:
            url = server.new_database()
            await _fill(url, sessions)
            yield url
        finally:
            server.stop()


async def _fill(url: str, sessions: int) -> None:
    engine = await open_store(url)
    try:
        for first in range(1, sessions + 1, 100_000):
            numbers = f"seq_{first}_to_{min(first + 99_999, sessions)}"
            async with engine.begin() as connection:
                await connection.execute(text(_platform_rows(numbers, 0)))
                await connection.execute(text(_sessions(numbers)))
        async with engine.begin() as connection:
            await connection.execute(text(_platform_rows(f"seq_1_to_{OLD_ROWS}", sessions)))
        for first in range(max(1, sessions - WITH_SPANS), sessions, 10_000):
            async with engine.begin() as connection:
                await connection.execute(text(_spans(f"seq_{first}_to_{first + 9_999}")))
        while await catch_up(engine):
            pass
        async with engine.begin() as connection:
            for table in ("rtc_focus_sessions", "eye_tracking_sessions", "rtc_focus_spans"):
                (await connection.execute(text(f"ANALYZE TABLE {table}"))).all()
    finally:
        await engine.dispose()


def _platform_rows(numbers: str, offset: int) -> str:
    return (
        "INSERT INTO eye_tracking_sessions (id, user_id, module_id, section_id, total_time_seconds, created_at, "
        "last_updated, focused_time_seconds, unfocused_time_seconds, session_data) "
        f"SELECT seq + {offset}, {_USER}, {_MODULE}, 1 + seq % 4, 1500, {_BEGAN}, {_BEGAN}, 1200, 300, {_DATA} "
        f"FROM {numbers}"
    )


def _sessions(numbers: str) -> str:
    """All have ended."""
    return (
        "INSERT INTO rtc_focus_sessions (focus_session_id, platform_row_id, user_id, module_id, section_id, policy, "
        "session_type, started_at, recorded_at, ended_at, end_reason, focused_s, unfocused_s, unknown_s, "
        "multiple_faces_s, focused_stretches, unfocused_stretches, display_name) "
        f"SELECT {_ID}, seq, {_USER}, {_MODULE}, 1 + seq % 4, 'reading/1', 'viewing', {_BEGAN}, "
        f"{_BEGAN} + INTERVAL 26 MINUTE, {_BEGAN} + INTERVAL 26 MINUTE, 'stopped', 1000 + seq % 400, 300.25, 60.5, 0, "
        f"12, 11, CONCAT('Learner ', {_USER}) FROM {numbers}"
    )


def _spans(numbers: str) -> str:
    return (
        "INSERT INTO rtc_focus_spans (focus_session_id, ordinal, start_s, end_s, state, reason) "
        f"SELECT {_ID}, spans.number, 60 * spans.number, 60 * spans.number + 60, "
        "IF(spans.number % 2, 'unfocused', 'focused'), IF(spans.number % 2, 'no_face', 'on_screen') "
        f"FROM {numbers} JOIN (SELECT seq AS number FROM seq_0_to_{SPANS - 1}) AS spans"
    )

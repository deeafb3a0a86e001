"""`saves`: what it costs to store live sessions so often that a kill loses a second at most."""

import asyncio
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pymysql

from bench.database_faults import FailingDatabase, private_database
from bench.report import Goal, Report
from bench.run import Run
from rtc_server.focus.neutral import Neutral
from rtc_server.focus.state import FocusState, Reason, Span, Totals
from rtc_server.learner import Learner
from rtc_server.record import FocusRecord, Resumption
from rtc_server.settings import Settings
from rtc_server.store.engine import open_store
from rtc_server.store.spool.spool import Spool
from rtc_server.store.transactions import Transactions
from rtc_server.store.writer import FocusWriter
from tests.databases import PrivateMariaDb

LEARNERS = (30, 200)
UPDATES_PER_S = 10
MOST_CPU = 0.1
"""Of a core, for a class of thirty."""
COUNTED = ("Com_insert", "Com_update", "Com_delete", "Com_select", "Com_commit")


class Lesson:
    """A live session of a learner who looks away every twenty seconds."""

    end_reason = None

    def __init__(self, user_id: int) -> None:
        self.id = str(uuid4())
        self._learner = Learner(user_id, 1)
        self._began, self._neutral = datetime.now(UTC), Neutral().state

    def record(self) -> FocusRecord:
        now = datetime.now(UTC)
        passed_s = (now - self._began).total_seconds()
        spans = []
        for start_s in range(0, int(passed_s) + 1, 20):
            end_s, away_s = min(start_s + 18.0, passed_s), min(start_s + 20.0, passed_s)
            spans.append(Span(float(start_s), end_s, FocusState.FOCUSED, Reason.ON_SCREEN))
            if away_s > end_s:
                spans.append(Span(end_s, away_s, FocusState.UNFOCUSED, Reason.LOOKING_DOWN))
        totals = Totals(focused_s=sum(span.end_s - span.start_s for span in spans), focused_stretches=len(spans))
        return FocusRecord(
            focus_session_id=self.id,
            learner=self._learner,
            started_at=self._began,
            recorded_at=now,
            session_type="viewing",
            totals=totals,
            spans=tuple(spans),
            policy="reading/3",
            resumption=Resumption(self._neutral, self._began, passed_s),
        )

    def supersede(self) -> None:
        raise AssertionError("there is no other server")


async def saves(run: Run) -> Report:
    interval_s = float(Settings.model_fields["save_interval"].default)
    rows = [await _measured(count, run.seconds, interval_s) for count in LEARNERS]
    class_cpu = rows[0]["core, of this server"]
    return Report(
        "saves",
        f"Live sessions stored in MariaDB every {interval_s:g} s, without any video: {UPDATES_PER_S} updates a second "
        f"from each, for {run.seconds:g} s. Statements are counted by the database.",
        rows,
        [
            Goal(
                f"a class of {LEARNERS[0]} takes at most {MOST_CPU:g} of a core",
                f"{class_cpu:.3f}",
                class_cpu <= MOST_CPU,
            )
        ],
    )


async def _measured(count: int, seconds: float, interval_s: float) -> dict[str, Any]:
    with private_database("mysql") as database, tempfile.TemporaryDirectory() as folder:
        engine = await open_store(database.url)
        writer = FocusWriter(Transactions(engine, "day"), Spool(Path(folder)), interval_s)
        await writer.start()
        lessons = [Lesson(number) for number in range(count)]
        try:
            await _teach(writer, lessons, 3.0)
            before, cpu, began = _counts(database), time.process_time(), time.monotonic()
            await _teach(writer, lessons, seconds)
            passed_s = time.monotonic() - began
            cpu_s, after = time.process_time() - cpu, _counts(database)
        finally:
            await writer.close()
            await engine.dispose()
    statements = {name: (after[name] - before[name]) / passed_s for name in COUNTED}
    return {
        "learners": count,
        "core, of this server": cpu_s / passed_s,
        **{f"{name[4:]}s/s": per_s for name, per_s in statements.items()},
    }


async def _teach(writer: FocusWriter, lessons: list[Lesson], seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for lesson in lessons:
            writer.put(lesson)
        await asyncio.sleep(1 / UPDATES_PER_S)


def _counts(database: FailingDatabase) -> dict[str, int]:
    server = database.server
    assert isinstance(server, PrivateMariaDb)
    with pymysql.connect(unix_socket=str(server.socket), user="root") as connection, connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Com_%'")
        return {str(name): int(value) for name, value in cursor.fetchall() if str(name) in COUNTED}

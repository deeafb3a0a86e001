"""A school's sessions, tokens for its people, and what a test needs of the running server."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import text

from rtc_server.learner import Learner
from rtc_server.record import FocusRecord
from rtc_server.store.engine import open_store
from rtc_server.web.access.auth import mint_token
from tests.store.records import record, span, store_all

SECRET = "a-secret-for-tests-of-more-than-32-bytes"
BEGAN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def bearer(user_id: int, module_id: int, **choices: Any) -> dict[str, str]:
    token = mint_token(SECRET, Learner(user_id, module_id), audience="rtc-server", **choices)
    return {"Authorization": f"Bearer {token}"}


LEARNER = bearer(7, 3, modules=[4])
TEACHER = bearer(99, 3, role="teacher")
SEVERAL = bearer(99, 5, role="teacher", modules=[3, 4])


def session(user: int, module: int, section: int | None = None, hours: float = 0.0) -> FocusRecord:
    """60 s focused, 30 s not, 10 s unknown."""
    learner = Learner(user, module, section)
    one = record(None, span(0, 60), learner=learner, end_reason="stopped")
    began = BEGAN + timedelta(hours=hours)
    totals = replace(one.totals, unfocused_s=30.0, unknown_s=10.0)
    name = f"Learner {user}"
    ended = began + timedelta(seconds=100)
    return replace(one, started_at=began, recorded_at=ended, totals=totals, display_name=name)


SESSIONS = [
    *(session(7, 3, hours=hours) for hours in range(3)),
    session(7, 4, 2, hours=3),
    session(8, 3, 2, hours=4),
    session(9, 6, hours=5),
]
OLD_ROW = (
    "INSERT INTO eye_tracking_sessions (id, user_id, module_id, total_time_seconds, created_at, last_updated, "
    "focused_time_seconds, unfocused_time_seconds) "
    "VALUES (5000, 8, 3, 40, '2025-01-01 10:00:00', '2025-01-01 11:00:00', 30, 10)"
)


@dataclass(frozen=True)
class School:
    http: aiohttp.ClientSession
    address: str

    async def get(self, path: str, headers: dict[str, str], **query: object) -> tuple[int, Any]:
        """Status and JSON."""
        parameters = {name: str(value) for name, value in query.items()}
        async with self.http.get(path, headers=headers, params=parameters) as response:
            return response.status, await response.json(content_type=None)


Open = Callable[..., Awaitable[School]]


async def fill(url: str, records: Sequence[FocusRecord], folder: Path) -> None:
    await store_all(url, records, folder)
    engine = await open_store(url)
    try:
        async with engine.begin() as connection:
            await connection.execute(text(OLD_ROW))
    finally:
        await engine.dispose()

"""The whole server, listening, with a school's sessions in MariaDB."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rtc_server.app import listening
from rtc_server.record import FocusRecord
from rtc_server.settings import Settings
from tests.web.api.school import SECRET, SESSIONS, Open, School, fill


@pytest.fixture
async def open_school(mariadb_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Open]:
    """Starts the server with these settings, and the database with these sessions."""
    monkeypatch.chdir(tmp_path)
    async with AsyncExitStack() as owned:

        async def start(records: Sequence[FocusRecord] = SESSIONS, **settings: Any) -> School:
            await fill(mariadb_url, records, tmp_path / "filled")
            chosen = {"port": 0, "ice_addresses": ("127.0.0.1",), "log_level": "error", "reads_per_minute": 100_000}
            chosen |= {"token_secret": SECRET, "database_url": mariadb_url} | settings
            address = await owned.enter_async_context(listening(Settings(_env_file=None, **chosen), demo=False))
            http = await owned.enter_async_context(aiohttp.ClientSession(address))
            return School(http, address)

        yield start


@pytest.fixture
async def school(open_school: Open) -> School:
    return await open_school()

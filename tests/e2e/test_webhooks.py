"""Webhooks of a real server, with learners in it, and what arrives when it is killed."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from rtc_server.learner import Learner
from rtc_server.web.access.auth import mint_token
from tests.camera import write_y4m
from tests.delivery.receivers import SECRET as WEBHOOK_SECRET
from tests.delivery.receivers import Inbox, receiving
from tests.e2e.server_process import ServerProcess, running_server

pytestmark = pytest.mark.timeout(180)  # three programs for each test

SECRET = "a secret of the tests, long enough for HS256"
LEARNER = Learner(user_id=7, module_id=3, section_id=2)
TOKEN = mint_token(SECRET, LEARNER, audience="rtc-server")


@asynccontextmanager
async def server_that_tells(inbox: Inbox, database_url: str, **settings: str) -> AsyncIterator[ServerProcess]:
    async with running_server(
        RTC_TOKEN_SECRET=SECRET,
        RTC_DATABASE_URL=database_url,
        RTC_WEBHOOK_URL=inbox.url,
        RTC_WEBHOOK_SECRET=WEBHOOK_SECRET,
        RTC_WEBHOOK_ALLOW_PRIVATE="1",
        RTC_LEARNERS_MAY_ERASE="1",
        **settings,
    ) as server:
        yield server


async def publish(folder: Path, server: ServerProcess, seconds: int) -> None:
    clip = await asyncio.to_thread(write_y4m, folder / "face.y4m")
    publisher = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "rtc_server", "publish", str(clip), "--url", f"{server.url}whip",
        "--token", TOKEN, "--duration", str(seconds), "--loop",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        _, said = await publisher.communicate()
        assert publisher.returncode == 0, said.decode()
    finally:
        if publisher.returncode is None:
            publisher.kill()
            await publisher.wait()


async def rows(database_url: str, statement: str) -> list[Any]:
    engine = create_async_engine(database_url)
    try:
        async with engine.begin() as connection:
            result = await connection.execute(text(statement))
            return list(result) if result.returns_rows else []
    finally:
        await engine.dispose()


async def test_a_lesson_is_told_as_its_row_says_and_its_erasure_too(tmp_path: Path, mariadb_url: str) -> None:
    async with (
        receiving() as inbox,
        server_that_tells(inbox, mariadb_url, RTC_WEBHOOK_UPDATE_INTERVAL="1") as server,
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as http,
    ):
        await publish(tmp_path, server, 4)
        await inbox.until(lambda inbox: "session.ended" in inbox.types)
        stored = await rows(
            mariadb_url, "SELECT focus_session_id, focused_s, unfocused_s, end_reason FROM rtc_focus_sessions"
        )
        async with http.delete(f"{server.url}api/v1/learners/{LEARNER.user_id}") as answer:
            assert answer.status == 204
        await inbox.until(lambda inbox: "learner.erased" in inbox.types)
    assert inbox.types[0] == "session.started"
    assert "session.updated" in inbox.types
    assert inbox.types[-2:] == ["session.ended", "learner.erased"]
    ended = inbox.events[-2][1]["data"]
    ((key, focused_s, unfocused_s, end_reason),) = stored
    assert (ended["focus_session_id"], ended["end_reason"]) == (key, end_reason)
    assert ended["focused_s"] == pytest.approx(focused_s, abs=0.001)
    assert ended["unfocused_s"] == pytest.approx(unfocused_s, abs=0.001)
    assert inbox.events[-1][1]["data"] == {"user_id": 7}


async def test_a_server_killed_between_send_and_mark_leaves_it_to_be_sent_again_with_the_same_id(
    tmp_path: Path, mariadb_url: str
) -> None:
    never = asyncio.Event()

    async def silent(_request: web.Request) -> web.Response:
        await never.wait()
        return web.Response()

    async with receiving() as inbox:
        inbox.answer = silent
        async with server_that_tells(inbox, mariadb_url) as server:
            publishing = asyncio.create_task(publish(tmp_path, server, 30))
            await inbox.until(lambda inbox: len(inbox.events) == 1)
            await server.stop(signal.SIGKILL)
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)
        assert await rows(mariadb_url, "SELECT attempts, sending FROM rtc_outbox WHERE id = 1") == [(1, 1)]
        await rows(mariadb_url, "UPDATE rtc_outbox SET next_attempt_at = '2026-01-01'")  # the claim has run out
        never.set()
        inbox.answer = lambda _: web.Response()
        async with server_that_tells(inbox, mariadb_url):
            await inbox.until(lambda inbox: "session.ended" in inbox.types)
    (first, _), (again, event), (last, ended) = inbox.events
    assert first == again != last
    assert (event["type"], ended["data"]["end_reason"]) == ("session.started", "crash")


async def test_without_the_setting_nothing_is_put_down(tmp_path: Path, mariadb_url: str) -> None:
    async with running_server(RTC_TOKEN_SECRET=SECRET, RTC_DATABASE_URL=mariadb_url) as server:
        await publish(tmp_path, server, 2)
    assert await rows(mariadb_url, "SELECT count(*) FROM rtc_outbox") == [(0,)]
    assert await rows(mariadb_url, "SELECT count(*) FROM rtc_focus_sessions") == [(1,)]

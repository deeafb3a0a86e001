"""A real browser with a camera that shows a face, and what was stored, read from MariaDB itself."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright
from sqlalchemy.engine import make_url

from rtc_server.store.schema import focus_sessions
from tests.camera import write_y4m
from tests.databases import PrivateMariaDb
from tests.e2e.server_process import running_server

LOG = logging.getLogger(__name__)
"""At the level that pytest shows of a failed test."""
CHROMIUM = "/usr/bin/chromium"
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--deny-permission-prompts",
)
PATIENCE_MS = 20_000

OpenPage = Callable[..., AbstractAsyncContextManager[Page]]


@dataclass(frozen=True)
class DemoServer:
    url: str
    database_url: str


@pytest.fixture(scope="session")
def camera_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_y4m(tmp_path_factory.mktemp("camera") / "face.y4m")


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def browser(camera_file: Path) -> AsyncIterator[Browser]:
    camera = ["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={camera_file}"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *camera])
        yield browser
        await browser.close()


@pytest.fixture(scope="package")
def open_page(browser: Browser) -> OpenPage:
    """An empty page with a profile of its own. allow_camera: what the person answers when the browser asks."""

    @asynccontextmanager
    async def opened(*, allow_camera: bool = True) -> AsyncIterator[Page]:
        context = await browser.new_context()
        if allow_camera:
            await context.grant_permissions(["camera"])
        page = await context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", _print_message)
        page.on("pageerror", lambda error: LOG.warning("page error: %s", error))
        yield page
        await context.close()

    return opened


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def demo_server(mariadb_server: PrivateMariaDb) -> AsyncIterator[DemoServer]:
    database_url = mariadb_server.new_database()
    async with running_server("--demo", RTC_DATABASE_URL=database_url) as server:
        yield DemoServer(server.url, database_url)


def _print_message(message: ConsoleMessage) -> None:
    LOG.warning("page %s: %s", message.type, message.text)


async def final_row(database_url: str, column: str, value: int) -> dict[str, Any]:
    """The one row of `eye_tracking_sessions` that has this value, once the end of its session is in it.

    Beside its columns, `consent_at` and `calibration_error_deg` of our own table.
    """
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while True:
            row = await asyncio.to_thread(_stored_row, database_url, column, value)
            if row is not None and json.loads(row["session_data"])["end_reason"]:
                return row
            await asyncio.sleep(0.05)


def _stored_row(database_url: str, column: str, value: int) -> dict[str, Any] | None:
    """None while nothing of it has been saved."""
    url = make_url(database_url)
    connection = pymysql.connect(
        unix_socket=url.query["unix_socket"],
        user=url.username,
        database=url.database,
        cursorclass=pymysql.cursors.DictCursor,
    )
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT platform.*, own.consent_at, own.calibration_error_deg FROM eye_tracking_sessions AS platform"
                f" JOIN {focus_sessions.name} AS own ON own.platform_row_id = platform.id WHERE platform.{column} = %s",
                (value,),
            )
            rows = cursor.fetchall()
            assert len(rows) <= 1
            return dict(rows[0]) if rows else None
    finally:
        connection.close()

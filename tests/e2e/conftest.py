"""A real browser with a camera that shows a face, and what was stored, read from MariaDB itself."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pymysql
import pytest
from playwright.async_api import ConsoleMessage, Page, async_playwright
from sqlalchemy.engine import make_url

from tests.camera import write_y4m

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
)
PATIENCE_MS = 20_000

OpenPage = Callable[..., AbstractAsyncContextManager[Page]]


@pytest.fixture(scope="session")
def camera_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_y4m(tmp_path_factory.mktemp("camera") / "face.y4m")


@pytest.fixture
def chromium_page(camera_file: Path) -> OpenPage:
    """An empty page of a new browser. allow_camera: what the person answers when the browser asks."""

    @asynccontextmanager
    async def open_page(*, allow_camera: bool = True) -> AsyncIterator[Page]:
        answer = "--use-fake-ui-for-media-stream" if allow_camera else "--deny-permission-prompts"
        camera = ["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={camera_file}"]
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=CHROMIUM, args=[*QUIET, answer, *camera], timeout=PATIENCE_MS
            )
            try:
                page = await browser.new_page()
                page.set_default_timeout(PATIENCE_MS)
                page.on("console", _print_message)
                page.on("pageerror", lambda error: LOG.warning("page error: %s", error))
                yield page
            finally:
                await browser.close()

    return open_page


def _print_message(message: ConsoleMessage) -> None:
    LOG.warning("page %s: %s", message.type, message.text)


def stored_rows(database_url: str) -> list[dict[str, Any]]:
    """All of `eye_tracking_sessions`, oldest first."""
    url = make_url(database_url)
    connection = pymysql.connect(
        unix_socket=url.query["unix_socket"],
        user=url.username,
        database=url.database,
        cursorclass=pymysql.cursors.DictCursor,
    )
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM eye_tracking_sessions ORDER BY id")
            return list(cursor.fetchall())
    finally:
        connection.close()

"""Twelve learners, from their clips to the class, one learner's hour, the export, the metrics and the platform's rows.

Page, API, CSV, metrics and MySQL must say the same, to the second.
"""

import asyncio
import csv
import json
import re
import socket
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from playwright.async_api import expect
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from rtc_server.learner import Learner
from rtc_server.web.access.auth import mint_token
from tests.camera import write_y4m
from tests.databases import PrivateMariaDb
from tests.e2e.conftest import PATIENCE_MS, OpenPage
from tests.e2e.server_process import running_server

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(180)]
expect.set_options(timeout=PATIENCE_MS)

SECRET = "a secret of the tests, long enough for HS256"
LEARNERS, MODULE, LESSON_S = 12, 5, 20
STATES = ("focused", "unfocused", "unknown")
Seconds = dict[str, float]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def published(url: str, clip: Path) -> asyncio.subprocess.Process:
    """Twelve learners with this clip, who leave by themselves."""
    options = ("--loop", "--duration", str(LESSON_S), "--sessions", str(LEARNERS), "--module", str(MODULE), "--json")
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rtc_server", "publish", str(clip), "--url", f"{url}whip", *options),
        env={"RTC_TOKEN_SECRET": SECRET},
        stdout=asyncio.subprocess.PIPE,
    )


async def in_mysql(database_url: str) -> tuple[dict[int, Seconds], dict[int, dict[str, int]]]:
    """Our own table's seconds, and the platform's, by user."""
    engine = create_async_engine(database_url)
    ours = "SELECT user_id, focused_s focused, unfocused_s unfocused, unknown_s unknown FROM rtc_focus_sessions"
    theirs = (
        "SELECT user_id, focused_time_seconds focused, unfocused_time_seconds unfocused, total_time_seconds total "
        "FROM eye_tracking_sessions"
    )
    try:
        async with engine.connect() as connection:
            read = [(await connection.execute(text(query))).mappings().all() for query in (ours, theirs)]
    finally:
        await engine.dispose()
    own, platform = ({row["user_id"]: {**row} for row in rows} for rows in read)
    return own, platform


async def get(http: aiohttp.ClientSession, url: str) -> Any:
    async with http.get(url) as answer:
        assert answer.status == 200, await answer.text()
        return await (answer.json() if "json" in answer.content_type else answer.text())


def metric(exposed: str, state: str) -> float:
    found = re.search(rf'^rtc_server_measured_seconds_total{{state="{state}"}} (\S+)$', exposed, re.MULTILINE)
    assert found, exposed
    return float(found[1])


async def test_page_api_export_metrics_and_rows_say_the_same(
    open_page: OpenPage, mariadb_server: PrivateMariaDb, tmp_path: Path
) -> None:
    database_url, metrics_port = mariadb_server.new_database(), free_port()
    settings = {"RTC_TOKEN_SECRET": SECRET, "RTC_DATABASE_URL": database_url, "RTC_METRICS_PORT": str(metrics_port)}
    token = mint_token(SECRET, Learner(900, MODULE), audience="rtc-server", role="teacher")
    clip = write_y4m(tmp_path / "lesson.y4m", seconds_with_face=4.0, seconds_without=2.0)
    async with (
        running_server(**settings) as server,
        open_page() as teacher,
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http,
    ):
        await teacher.goto(f"{server.url}class#token={token}")
        await expect(teacher.locator("#empty")).to_be_visible()
        publisher = await published(server.url, clip)
        await expect(teacher.locator(".learner")).to_have_count(LEARNERS, timeout=60_000)
        output, _ = await publisher.communicate()
        assert publisher.returncode == 0, output
        await expect(teacher.locator("#list-left .learner")).to_have_count(LEARNERS)

        own, platform = await in_mysql(database_url)
        assert set(own) == set(platform) == set(range(1, LEARNERS + 1))
        told = {learner["focus_session_id"]: learner["metrics"] for learner in json.loads(output)["learners"]}
        sessions = (await get(http, f"{server.url}api/v1/sessions?module_id={MODULE}&limit=50"))["sessions"]
        exported = {
            int(row["user_id"]): row
            for row in csv.DictReader(
                (await get(http, f"{server.url}api/v1/sessions.csv?module_id={MODULE}")).splitlines()
            )
        }
        exposed = await get(http, f"http://127.0.0.1:{metrics_port}/metrics")
        assert len(sessions) == len(exported) == len(told) == LEARNERS
        for session in sessions:
            row, of_platform = own[session["user_id"]], platform[session["user_id"]]
            for state in STATES:
                assert session[f"{state}_s"] == pytest.approx(row[state], abs=0.001)
                assert float(exported[session["user_id"]][f"{state}_s"]) == pytest.approx(row[state], abs=0.001)
            for state in STATES[:2]:
                assert told[session["focus_session_id"]][f"{state}_time"] == pytest.approx(row[state], abs=0.001)
            assert of_platform["total"] == of_platform["focused"] + of_platform["unfocused"]
            assert of_platform["total"] == pytest.approx(row["focused"] + row["unfocused"], abs=0.501)
        for state in STATES:
            assert metric(exposed, state) == pytest.approx(sum(row[state] for row in own.values()), abs=0.001)

        await teacher.locator("#list-left a").first.click()
        await expect(teacher.locator(".session")).to_have_count(1)
        heading = await teacher.get_by_role("heading", level=1).inner_text()
        shown = own[int(heading.removeprefix("Learner "))]
        for state in STATES:
            assert await teacher.locator(f"#hour-{state}").inner_text() == f"{round(shown[state])} s"
        # The clip has both: a face, and then an empty room.
        assert all(sum(row[state] for row in own.values()) > LEARNERS for state in STATES[:2])

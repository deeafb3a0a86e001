"""`/metrics` of a real server: where it can be read, what it says, and that nobody is named in it."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import psutil
import pytest
from aiohttp.test_utils import unused_port
from prometheus_client.parser import text_string_to_metric_families

from docs.metrics_table import OPERATIONS, with_table
from rtc_server.learner import Learner
from rtc_server.metrics.measurements import MEASUREMENTS
from rtc_server.web.access.auth import mint_token
from tests.camera import write_y4m
from tests.e2e.server_process import ServerProcess, running_server

SECRET = "a secret of the tests, long enough for HS256"
LEARNER = Learner(user_id=707070701, module_id=808080802, section_id=909090903)

Readings = dict[str, dict[str, float]]
"""By name of the sample, and by the value of its label; "" where it has none."""


@asynccontextmanager
async def measured_server(folder: Path) -> AsyncIterator[tuple[ServerProcess, str]]:
    """A server, and where its metrics are."""
    port = unused_port()
    async with running_server(
        RTC_TOKEN_SECRET=SECRET,
        RTC_DATABASE_URL=f"sqlite+aiosqlite:///{folder}/rows.sqlite3",
        RTC_SPOOL=str(folder / "spool"),
        RTC_METRICS_PORT=str(port),
    ) as server:
        yield server, f"http://127.0.0.1:{port}/metrics"


async def publish(clip: Path, url: str) -> None:
    publisher = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "rtc_server", "publish", str(clip), "--url", f"{url}whip",
        "--token", mint_token(SECRET, LEARNER, audience="rtc-server"), "--duration", "3", "--loop",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await publisher.communicate()
    assert publisher.returncode == 0, said.decode()


async def read(http: aiohttp.ClientSession, url: str) -> tuple[str, Readings]:
    async with http.get(url) as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        text = await response.text()
    readings: Readings = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            label = next((value for name, value in sample.labels.items() if name != "le"), "")
            readings.setdefault(sample.name, {})[label] = sample.value
    return text, readings


async def read_when_everybody_left(http: aiohttp.ClientSession, url: str) -> tuple[str, Readings]:
    for _ in range(100):
        text, readings = await read(http, url)
        if not any(readings["rtc_server_peers"].values()):
            return text, readings
        await asyncio.sleep(0.05)
    pytest.fail("somebody is still there")


async def test_each_frame_is_in_one_place_and_nobody_is_named(tmp_path: Path) -> None:
    clip = write_y4m(tmp_path / "face.y4m")
    async with measured_server(tmp_path) as (server, url), aiohttp.ClientSession() as http:
        await publish(clip, server.url)
        text, readings = await read_when_everybody_left(http, url)
    dropped = sum(readings["rtc_server_frames_dropped_total"].values())
    received = readings["rtc_server_frames_received_total"][""]
    analysed = readings["rtc_server_frames_analysed_total"][""]
    skipped = sum(readings["rtc_server_frames_skipped_total"].values())
    assert received > 20
    assert analysed > 5
    assert received == analysed + skipped + dropped - readings["rtc_server_frames_dropped_total"]["incomplete"]
    assert readings["rtc_server_update_age_seconds_count"][""] == pytest.approx(analysed, abs=2), "the last may be late"
    assert readings["rtc_server_decode_seconds_count"][""] >= analysed
    assert readings["rtc_server_packets_received_total"][""] >= received
    assert readings["rtc_server_offers_total"]["answered"] == 1
    assert readings["rtc_server_sessions_started_total"][""] == 1
    assert readings["rtc_server_sessions_ended_total"]["stopped"] == 1
    assert readings["rtc_server_database_write_seconds_count"][""] >= 2
    assert readings["rtc_server_database_writes_failed_total"][""] == 0
    assert readings["rtc_server_ready"][""] == 1
    assert readings["process_open_fds"][""] > 0
    for number in (LEARNER.user_id, LEARNER.module_id, LEARNER.section_id):
        assert str(number) not in text
    assert "127.0.0.1" not in text


async def test_it_exposes_what_the_documents_say_and_no_label_grows(tmp_path: Path) -> None:
    async with measured_server(tmp_path) as (server, url), aiohttp.ClientSession() as http:
        text, before = await read(http, url)
        for body in ("nonsense", "v=0\r\n", ""):
            async with http.post(f"{server.url}whip", data=body, headers={"Content-Type": "x/y"}) as response:
                assert response.status == 401
        _, after = await read(http, url)
    assert {name: set(labels) for name, labels in before.items()} == {
        name: set(labels) for name, labels in after.items()
    }
    assert after["rtc_server_offers_total"]["token_missing"] == 3
    families = {f.name: f for f in text_string_to_metric_families(text)}
    assert {name for name in families if name.startswith("rtc_")} == {f"rtc_server_{one.name}" for one in MEASUREMENTS}
    for one in MEASUREMENTS:
        family = families[f"rtc_server_{one.name}"]
        assert (family.documentation, family.type) == (one.meaning, one.kind.value)
        names = {name for sample in family.samples for name in sample.labels} - {"le"}
        assert names == ({one.label} if one.label else set())


async def test_it_is_not_on_the_learners_port_and_on_loopback_only(tmp_path: Path) -> None:
    async with measured_server(tmp_path) as (server, url), aiohttp.ClientSession() as http:
        async with http.get(f"{server.url}metrics") as response:
            assert response.status == 404
        async with http.post(url) as response:
            assert response.status == 405
        async with http.get(url.replace("/metrics", "/")) as response:
            assert response.status == 404
            assert response.content_type == "application/problem+json"
        port = int(url.split(":")[2].partition("/")[0])
        sockets = psutil.Process(server.pid).net_connections("tcp")
        listening = {(c.laddr.ip, c.laddr.port) for c in sockets if c.status == "LISTEN"}
        assert listening == {("127.0.0.1", server.port), ("127.0.0.1", port)}


async def test_by_default_there_is_none(tmp_path: Path) -> None:
    async with running_server(
        RTC_TOKEN_SECRET=SECRET, RTC_DATABASE_URL=f"sqlite+aiosqlite:///{tmp_path}/rows.sqlite3"
    ) as server:
        listening = {c.laddr.port for c in psutil.Process(server.pid).net_connections("tcp") if c.status == "LISTEN"}
        assert listening == {server.port}


def test_the_table_of_metrics_is_up_to_date() -> None:
    written = OPERATIONS.read_text()
    assert with_table(written) == written, "run `make docs`"


def test_a_document_without_the_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="metrics"):
        with_table("no marks")

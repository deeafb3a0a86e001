"""Learners whose firewall lets nothing through but the relay: under each transport a whole run, to its row."""

import base64
import contextlib
import hashlib
import json
import re
import sqlite3
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp.test_utils import unused_port
from cryptography.hazmat.primitives import serialization
from cryptography.x509 import load_pem_x509_certificate
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.databases import PrivateMariaDb
from tests.e2e.conftest import CHROMIUM, PATIENCE_MS, QUIET, DemoServer, final_row
from tests.e2e.server_process import running_server
from tests.turn.relay import SECRET, RunningRelay, loopback_relay, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

ONLY_RELAY = """(url) => {
  const Native = RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    constructor(configuration) {
      const iceServers = configuration.iceServers
        .map((server) => ({ ...server, urls: [server.urls].flat().filter((one) => one === url) }))
        .filter((server) => server.urls.length > 0);
      super({ ...configuration, iceServers, iceTransportPolicy: "relay" });
      (window.connections ??= []).push(this);
    }
  };
}"""
LOCAL_CANDIDATE = """async () => {
  const reports = [...(await connections.at(-1).getStats()).values()];
  const pair = reports.find((report) => report.type === "candidate-pair" && report.nominated);
  const { candidateType, relayProtocol } = reports.find((report) => report.id === pair.localCandidateId);
  return { candidateType, relayProtocol };
}"""

RELAY_POLICY = """
  const Native = RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    constructor(configuration) { super({ ...configuration, iceTransportPolicy: "relay" }); }
  };
"""
REMOTE_CANDIDATE = """async () => {
  const reports = [...(await connections.at(-1).getStats()).values()];
  const pair = reports.find((report) => report.type === "candidate-pair" && report.nominated);
  return reports.find((report) => report.id === pair.remoteCandidateId).candidateType;
}"""


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRelay]:
    folder = tmp_path_factory.mktemp("relay")
    values = replace(loopback_relay(folder), peers=("127.0.0.1",))
    with running(values, folder) as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server_with_relay(mariadb_server: PrivateMariaDb, relay: RunningRelay) -> AsyncIterator[DemoServer]:
    database_url = mariadb_server.new_database()
    settings = {
        "RTC_DATABASE_URL": database_url,
        "RTC_TURN_URLS": ",".join(relay.urls),
        "RTC_TURN_SECRET": SECRET,
        "RTC_ICE_ADDRESSES": "127.0.0.1",
    }
    async with running_server("--demo", **settings) as server:
        yield DemoServer(server.url, database_url)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser_behind_firewall(camera_file: Path, relay: RunningRelay) -> AsyncIterator[Browser]:
    """Trusts the relay's own certificate, and no other that nobody has signed."""
    arguments = [
        *QUIET,
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={camera_file}",
        f"--ignore-certificate-errors-spki-list={_key_digest(relay)}",
    ]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        await browser.close()


@pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS"])
async def test_a_whole_run_through_the_relay(
    transport: str, browser_behind_firewall: Browser, server_with_relay: DemoServer, relay: RunningRelay
) -> None:
    (url,) = (url for url in relay.urls if relay.relay.urls[relay.urls.index(url)].name == transport)
    page = await _page(browser_behind_firewall, url)
    await page.goto(server_with_relay.url)
    await page.get_by_role("button", name="turn the camera on").click()
    await page.get_by_role("button", name="Start", exact=True).click()
    await expect(page.locator("#state")).to_have_text("Focused", timeout=PATIENCE_MS)
    used = await page.evaluate(LOCAL_CANDIDATE)
    assert used == {"candidateType": "relay", "relayProtocol": transport.lower()}
    await expect(page.locator("#focused-time")).to_have_text(re.compile(r"^0:(0[2-9]|[1-5]\d)$"), timeout=PATIENCE_MS)

    await page.get_by_role("button", name="Stop").click()
    await expect(page.get_by_role("heading", name="What was stored")).to_be_visible(timeout=PATIENCE_MS)
    row = await final_row(
        server_with_relay.database_url, "id", int(await page.locator("td[data-column=id]").inner_text())
    )
    assert row["focused_time_seconds"] + row["unfocused_time_seconds"] == row["total_time_seconds"]
    assert row["focused_time_seconds"] >= 2
    assert row["unfocused_time_seconds"] == 0
    assert json.loads(row["session_data"])["session_type"] == "webrtc_cv_tracking"
    await page.context.close()


async def _page(browser: Browser, url: str) -> Page:
    context = await browser.new_context(permissions=["camera"])
    page = await context.new_page()
    await page.add_init_script(f"({ONLY_RELAY})({json.dumps(url)})")
    return page


def _key_digest(relay: RunningRelay) -> str:
    assert relay.relay.certificate is not None
    key = load_pem_x509_certificate(relay.relay.certificate.read_bytes()).public_key()
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


async def test_a_server_that_only_the_relay_can_reach(
    browser_behind_firewall: Browser, relay: RunningRelay, mariadb_server: PrivateMariaDb
) -> None:
    database_url, metrics_port = mariadb_server.new_database(), unused_port()
    settings = {
        "RTC_DATABASE_URL": database_url,
        "RTC_TURN_URLS": relay.urls[0],
        "RTC_TURN_SECRET": SECRET,
        "RTC_SERVER_TURN": "1",
        "RTC_METRICS_PORT": str(metrics_port),
    }
    async with running_server("--demo", **settings) as server:
        page = await _page(browser_behind_firewall, relay.urls[0])
        await page.goto(server.url)
        await page.get_by_role("button", name="turn the camera on").click()
        await page.get_by_role("button", name="Start", exact=True).click()
        await expect(page.locator("#state")).to_have_text("Focused", timeout=PATIENCE_MS)
        assert await page.evaluate(REMOTE_CANDIDATE) == "relay"
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{metrics_port}/metrics") as response:
            metrics = (await response.text()).splitlines()
        assert "rtc_server_peers_relayed 1.0" in metrics
        assert "rtc_server_turn_credentials_total 0.0" not in metrics
        await page.get_by_role("button", name="Stop").click()
        await expect(page.get_by_role("heading", name="What was stored")).to_be_visible(timeout=PATIENCE_MS)
        await page.context.close()


async def test_the_check_page_finds_each_way_and_leaves_no_row(
    browser_behind_firewall: Browser, relay: RunningRelay, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.sqlite3"
    settings = {
        "RTC_DATABASE_URL": f"sqlite+aiosqlite:///{rows}",
        "RTC_TURN_URLS": ",".join(relay.urls),
        "RTC_TURN_SECRET": SECRET,
        "RTC_ICE_ADDRESSES": "127.0.0.1",
    }
    async with running_server("--demo", **settings) as server:
        context = await browser_behind_firewall.new_context(permissions=["camera"])
        page = await context.new_page()
        await page.add_init_script(RELAY_POLICY)
        await page.goto(f"{server.url}check")
        await page.get_by_role("button", name="Check this computer").click()
        await expect(page.locator("#verdict")).to_contain_text("through the relay only", timeout=2 * PATIENCE_MS)
        for transport in ("udp", "tcp", "tls"):
            await expect(page.locator(f"#turn-{transport}")).to_have_attribute("data-outcome", "ok")
        await context.close()
    with contextlib.closing(sqlite3.connect(rows)) as connection:
        assert connection.execute("SELECT * FROM eye_tracking_sessions").fetchall() == []
        assert connection.execute("SELECT * FROM rtc_focus_sessions").fetchall() == []

"""The page in Firefox, from consent to the stored row: another WebRTC, another VP8, another layout engine."""

import base64
import signal
from pathlib import Path

import cv2
import pytest

from tests.camera import portrait
from tests.e2e.conftest import DemoServer, final_row
from tests.e2e.firefox import firefox_page
from tests.e2e.server_process import running_server

pytestmark = pytest.mark.asyncio(loop_scope="package")

# Firefox's own fake camera shows a colour. It is opened, for the permission, and its picture is put a face in.
CAMERA_WITH_FACE = """() => {
  if (!navigator.mediaDevices) return;
  const bytes = Uint8Array.from(atob("PORTRAIT"), (character) => character.charCodeAt(0));
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    await open(wanted);
    const portrait = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" }));
    const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 480 });
    const context = canvas.getContext("2d");
    // It sways: a picture that stands still is taken for a frozen one.
    setInterval(() => context.drawImage(portrait, 4 * Math.sin(performance.now() / 300) - 5, 0, 650, 480), 66);
    return canvas.captureStream(15);
  };
}"""


def camera_with_face() -> str:
    jpeg = cv2.imencode(".jpg", cv2.cvtColor(portrait(), cv2.COLOR_RGB2BGR))[1].tobytes()
    return CAMERA_WITH_FACE.replace("PORTRAIT", base64.b64encode(jpeg).decode())


@pytest.mark.timeout(120)
async def test_from_consent_to_the_stored_row(demo_server: DemoServer, tmp_path: Path) -> None:
    async with firefox_page(tmp_path, camera_with_face()) as page:
        await page.goto(demo_server.url)
        await page.click("I agree: turn the camera on")
        await page.click("Start")
        await page.wait_for("document.getElementById('state').textContent === 'Focused'")
        await page.wait_for("document.getElementById('focused-time').textContent === '0:02'")
        assert await page.evaluate("document.getElementById('round-trip').textContent") != "–"
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth") is True

        await page.click("Pause")
        await page.wait_for("document.getElementById('connection').textContent === 'Connected, paused'")
        await page.click("Resume")
        await page.wait_for("document.getElementById('state').textContent === 'Focused'")

        await page.click("Stop")
        row_id = await page.wait_for("document.querySelector('td[data-column=id]')?.textContent")
    row = await final_row(demo_server.database_url, "id", int(row_id))
    assert row["focused_time_seconds"] == row["total_time_seconds"] >= 2
    assert row["unfocused_time_seconds"] == 0
    assert row["consent_at"] is not None


@pytest.mark.timeout(120)
async def test_a_killed_server_is_noticed_and_gone_on_with(sqlite_url: str, tmp_path: Path) -> None:
    profile = tmp_path / "profile"
    profile.mkdir()
    kept = {"RTC_DATABASE_URL": sqlite_url, "RTC_SPOOL": str(tmp_path / "spool")}
    async with firefox_page(profile, camera_with_face()) as page:
        async with running_server("--demo", **kept) as server:
            await page.goto(server.url)
            await page.click("I agree: turn the camera on")
            await page.click("Start")
            await page.wait_for("document.getElementById('focused-time').textContent === '0:03'")
            port = server.port
            await server.stop(signal.SIGKILL)
            await page.wait_for("document.getElementById('connection').textContent === 'Connecting again…'")
            await page.wait_for("document.getElementById('as-of').textContent")
        async with running_server("--demo", port=port, **kept):
            await page.wait_for("document.getElementById('state').textContent === 'Focused'")
            assert await page.evaluate("document.getElementById('focused-time').textContent >= '0:02'") is True
            await page.wait_for("document.querySelectorAll('#timeline [data-state=focused]').length === 2")

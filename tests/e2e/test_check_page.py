"""/check: what a teacher sees where all is well, where only the relay gets through, and where nothing does."""

import json

import pytest
from playwright.async_api import Page, expect

from tests.e2e.conftest import PATIENCE_MS, DemoServer, OpenPage
from tests.e2e.server_process import running_server
from tests.turn.relay import SECRET

pytestmark = pytest.mark.asyncio(loop_scope="package")

# Port 9 of this machine, where nobody listens.
DEAD_RELAY = "turn:127.0.0.1:9?transport=tcp"


async def outcomes(page: Page) -> dict[str, str]:
    await page.get_by_role("button", name="Check this computer").click()
    await expect(page.locator("#verdict")).to_be_visible(timeout=2 * PATIENCE_MS)
    return dict(
        await page.evaluate("[...document.querySelectorAll('.checks li')].map((li) => [li.id, li.dataset.outcome])")
    )


async def test_where_all_is_well(open_page: OpenPage, demo_server: DemoServer) -> None:
    async with open_page() as page:
        await page.goto(f"{demo_server.url}check")
        found = await outcomes(page)
        assert (found["camera"], found["server"], found["channel"]) == ("ok", "ok", "ok")
        assert {found[name] for name in ("stun", "turn-udp", "turn-tcp", "turn-tls")} == {"skip"}
        await expect(page.locator("#verdict")).to_have_text("Lessons work here.")


async def test_a_camera_that_is_denied_is_told_from_the_network(open_page: OpenPage, demo_server: DemoServer) -> None:
    async with open_page(allow_camera=False) as page:
        await page.goto(f"{demo_server.url}check")
        assert (await outcomes(page))["camera"] == "fail"
        await expect(page.locator("#verdict")).to_contain_text("The network is fine, the camera is not.")


async def test_a_firewall_that_lets_nothing_through(open_page: OpenPage, sqlite_url: str) -> None:
    settings = {"RTC_DATABASE_URL": sqlite_url, "RTC_TURN_URLS": DEAD_RELAY, "RTC_TURN_SECRET": SECRET}
    async with running_server("--demo", **settings) as server, open_page() as page:
        # No way but the relay, and the relay is dead.
        await page.add_init_script(
            "const Native = RTCPeerConnection; window.RTCPeerConnection = class extends Native {"
            " constructor(configuration) { super({ ...configuration, iceTransportPolicy: 'relay' }); } };"
        )
        await page.goto(f"{server.url}check")
        found = await outcomes(page)
        assert (found["turn-tcp"], found["turn-udp"], found["channel"]) == ("fail", "skip", "fail")
        await expect(page.locator("#turn-tcp")).to_contain_text("127.0.0.1:9 is out of reach")
        await expect(page.locator("#verdict")).to_contain_text("firewall blocks lessons")


async def test_without_a_permission_it_says_where_to_get_one(open_page: OpenPage, demo_server: DemoServer) -> None:
    async with open_page() as page:
        await page.goto(f"{demo_server.url}check#token={json.dumps('forged')}")
        found = await outcomes(page)
        assert (found["server"], found["channel"]) == ("fail", "fail")
        await expect(page.locator("#verdict")).to_contain_text("A lesson cannot start")

"""Who may use the page: in demo mode everybody at this computer, otherwise who comes with a token."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import expect

from rtc_server.learner import Learner
from rtc_server.settings import Settings
from rtc_server.web.access.auth import mint_token
from tests.e2e.conftest import PATIENCE_MS, DemoServer, OpenPage
from tests.e2e.demo_page import start, stop
from tests.e2e.server_process import running_server

pytestmark = pytest.mark.asyncio(loop_scope="package")
expect.set_options(timeout=PATIENCE_MS)

SECRET = "the platform and the server share it, and no one else"


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def server_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Not in demo mode."""
    database: Path = tmp_path_factory.mktemp("database") / "rtc.sqlite3"
    settings = {"RTC_DATABASE_URL": f"sqlite+aiosqlite:///{database}", "RTC_TOKEN_SECRET": SECRET}
    async with running_server(**settings) as server:
        yield server.url


async def test_without_a_token_it_explains_itself_and_asks_nothing(open_page: OpenPage, server_url: str) -> None:
    async with open_page() as page:
        await page.goto(server_url)
        await expect(page.get_by_role("heading", name="Open this page from your course")).to_be_visible()
        await expect(page.locator("#no-access")).to_contain_text("rtc-server serve --demo")
        await expect(page.locator("#consent")).to_be_hidden()
        await expect(page.get_by_text("Demo mode")).to_be_hidden()
        await expect(page.get_by_role("button")).to_have_count(0)


async def test_a_token_in_the_address_lets_its_learner_in(open_page: OpenPage, server_url: str) -> None:
    token = mint_token(
        SECRET, Learner(user_id=41, module_id=3), audience=Settings.model_fields["token_audience"].default
    )
    async with open_page() as page:
        await page.goto(f"{server_url}#token={token}")
        await expect(page.get_by_role("heading", name="Before your camera opens")).to_be_visible()
        await expect(page.get_by_text("Demo mode")).to_be_hidden()
        await start(page)
        await expect(page.locator("#focused-time")).to_have_text("0:01")
        await stop(page)
        await expect(page.locator("td[data-column=user_id]")).to_have_text("41")


async def test_the_check_page_says_where_to_get_a_permission(open_page: OpenPage, server_url: str) -> None:
    async with open_page() as page:
        await page.goto(f"{server_url}check")
        await page.get_by_role("button", name="Check this computer").click()
        await expect(page.locator("#verdict")).to_contain_text("open this page from your course")


async def test_in_demo_mode_it_says_so(open_page: OpenPage, demo_server: DemoServer) -> None:
    async with open_page() as page:
        await page.goto(demo_server.url)
        await expect(page.get_by_role("heading", name="Before your camera opens")).to_be_visible()
        await expect(page.get_by_text("Demo mode: this computer only")).to_be_visible()


async def test_a_server_that_does_not_answer_is_not_taken_for_one_that_refuses(
    open_page: OpenPage, demo_server: DemoServer
) -> None:
    async with open_page() as page:
        await page.route("**/demo/token", lambda route: route.fulfill(status=500))
        await page.goto(demo_server.url)
        await expect(page.get_by_role("heading", name="The server has a problem")).to_be_visible()
        await page.unroute("**/demo/token")
        await page.get_by_role("button", name="Try again").click()
        await expect(page.get_by_role("heading", name="Before your camera opens")).to_be_visible()

"""/docs: the API as people read it, under the same strict policy as every page."""

import pytest
from playwright.async_api import expect

from rtc_server.web.api.routes import OPERATIONS
from tests.e2e.conftest import PATIENCE_MS, OpenPage
from tests.e2e.server_process import running_server
from tests.e2e.test_accessibility import findings

pytestmark = pytest.mark.asyncio(loop_scope="package")
expect.set_options(timeout=PATIENCE_MS)


async def test_every_operation_and_every_form_is_shown(open_page: OpenPage, sqlite_url: str) -> None:
    async with running_server("--demo", RTC_DATABASE_URL=sqlite_url) as server, open_page() as page:
        await page.goto(f"{server.url}docs")
        await expect(page.locator(".operation")).to_have_count(len(OPERATIONS))
        for operation in OPERATIONS:
            title = f"{operation.method.upper()} {operation.address}"
            await expect(page.locator(f"#{operation.name} h2")).to_have_text(title)
        await page.get_by_role("link", name="SessionWithSpans").first.click()
        await expect(page.locator("#SessionWithSpans")).to_be_in_viewport()
        await expect(page.locator("#SessionWithSpans")).to_contain_text("merged_spans")
        assert await findings(page) == set()
        await page.set_viewport_size({"width": 360, "height": 700})
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")

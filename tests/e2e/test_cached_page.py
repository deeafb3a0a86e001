"""A page that is loaded again takes its files from the browser's cache: a class asks for little."""

import pytest
from playwright.async_api import Page

from tests.e2e.conftest import DemoServer, OpenPage

pytestmark = pytest.mark.asyncio(loop_scope="package")

SENT_OVER_THE_NETWORK = """() => performance.getEntriesByType("resource")
  .filter((entry) => entry.name.includes("/static/"))
  .map((entry) => [entry.name, entry.transferSize > 0])"""


async def loaded(page: Page, url: str) -> dict[str, bool]:
    """Each file of the page, and whether it was asked for over the network."""
    await page.goto(url, wait_until="networkidle")
    return dict(await page.evaluate(SENT_OVER_THE_NETWORK))


async def test_a_second_visit_asks_for_no_file_again(open_page: OpenPage, demo_server: DemoServer) -> None:
    async with open_page() as page:
        first = await loaded(page, demo_server.url)
        await page.goto("about:blank")
        second = await loaded(page, demo_server.url)

    assert sum(first.values()) > 8
    assert second.keys() == first.keys()
    assert not any(second.values())

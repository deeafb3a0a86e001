"""axe-core finds nothing serious or moderate: in each state of the pages, both themes, on a laptop and on a phone."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Page, ViewportSize, expect

from tests.e2e.conftest import PATIENCE_MS, OpenPage
from tests.e2e.page_states import check_states, run_states
from tests.e2e.reading_states import class_states, history_states
from tests.e2e.server_process import running_server

pytestmark = pytest.mark.asyncio(loop_scope="package")
expect.set_options(timeout=PATIENCE_MS)

AXE = Path(__file__).parents[1] / "node" / "node_modules" / "axe-core" / "axe.min.js"
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SIZES: tuple[ViewportSize, ...] = ({"width": 1280, "height": 800}, {"width": 390, "height": 844})
FIND = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations.flatMap(({ id, impact, nodes }) => nodes.map(({ target }) => `${impact} ${id} at ${target}`));
}"""


async def findings(page: Page) -> set[str]:
    """Of the state that the page is in."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE.read_text())
    found: set[str] = set()
    for size in SIZES:
        await page.set_viewport_size(size)
        # Colours on their way from one theme to the other are nobody's.
        for theme in THEMES:
            await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            results: list[str] = await page.evaluate(FIND)
            found |= {f"{result} ({size['width']} px, {theme})" for result in results if not result.startswith("minor")}
    return found


@pytest.mark.timeout(120)
async def test_nothing_is_found_from_consent_to_the_stored_row(open_page: OpenPage, sqlite_url: str) -> None:
    found: dict[str, Any] = {}
    async with running_server("--demo", RTC_DATABASE_URL=sqlite_url) as server, open_page() as page:
        async for state in run_states(page, server):
            found[state] = await findings(page)
    assert len(found) == 12
    assert {state: some for state, some in found.items() if some} == {}


async def test_nothing_is_found_on_the_check_page(open_page: OpenPage, sqlite_url: str) -> None:
    found: dict[str, Any] = {}
    async with running_server("--demo", RTC_DATABASE_URL=sqlite_url) as server, open_page() as page:
        async for state in check_states(page, server):
            found[state] = await findings(page)
    assert len(found) == 3
    assert {state: some for state, some in found.items() if some} == {}


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("states", "count"), [(class_states, 4), (history_states, 5)])
async def test_nothing_is_found_where_numbers_are_read(
    open_page: OpenPage, states: Callable[[Page], AsyncIterator[str]], count: int
) -> None:
    found: dict[str, Any] = {}
    async with open_page() as page:
        async for state in states(page):
            found[state] = await findings(page)
    assert len(found) == count
    assert {state: some for state, some in found.items() if some} == {}


async def test_nothing_is_found_where_the_page_cannot_go_on(open_page: OpenPage, sqlite_url: str) -> None:
    settings = {"RTC_DATABASE_URL": sqlite_url, "RTC_TOKEN_SECRET": "a secret that is long enough for anybody"}
    async with running_server(**settings) as server, open_page(allow_camera=False) as page:
        await page.goto(server.url)
        await expect(page.locator("#no-access")).to_be_visible()
        assert await findings(page) == set()
        await page.goto(f"{server.url}?#token=any")
        await page.get_by_role("button", name="turn the camera on").click()
        await expect(page.locator("#problem")).to_be_visible()
        assert await findings(page) == set()

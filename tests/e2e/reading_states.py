"""Each state of the pages that show what was measured, reached as a person reaches it."""

from collections.abc import AsyncIterator

from playwright.async_api import Page, expect

from tests.e2e.school import School, history, lesson, open_school


def full_school() -> School:
    return School(lesson(), history(3), modules=(3, 4))


async def class_states(page: Page) -> AsyncIterator[str]:
    school = full_school()
    async with open_school(school) as url:
        await page.goto(f"{url}class")
        await expect(page.locator("#count-focused")).to_have_text("15")
        yield "class"
    await expect(page.locator("#news")).to_contain_text("No news since")
    yield "no news"
    async with open_school(School([])) as url:
        await page.goto(f"{url}class")
        await expect(page.locator("#empty")).to_be_visible()
        yield "empty class"
    async with open_school(School([], demo=False)) as url:
        await page.goto(f"{url}class")
        await expect(page.locator("#no-access")).to_be_visible()
        yield "no token"


async def history_states(page: Page) -> AsyncIterator[str]:
    async with open_school(full_school()) as url:
        await page.goto(f"{url}class/learner/3?module=3")
        await expect(page.locator("#sessions li")).not_to_have_count(0)
        yield "one learner"
        await page.goto(f"{url}class/learner/8?module=3")
        await expect(page.locator("#nothing")).to_be_visible()
        yield "nothing of this learner"
    async with open_school(full_school()) as url:
        await page.goto(url)
        await expect(page.locator("#consent")).to_be_visible()
        await page.evaluate("sessionStorage.setItem('rtc-demo-user', '3')")
        await page.goto(f"{url}me")
        await expect(page.locator("#sessions li")).not_to_have_count(0)
        yield "me"
        await page.get_by_role("button", name="Erase all of it").click()
        await expect(page.locator("#erase-dialog")).to_be_visible()
        yield "erase?"
        await page.get_by_role("button", name="Erase", exact=True).click()
        await expect(page.locator("#erased")).to_be_visible()
        yield "erased"

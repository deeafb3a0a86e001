"""One learner's lessons, as their teacher sees them and as they see them themselves."""

import json
import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.e2e.conftest import PATIENCE_MS, OpenPage
from tests.e2e.firefox import firefox_page
from tests.e2e.school import School, history, lesson, open_school

pytestmark = pytest.mark.asyncio(loop_scope="package")
expect.set_options(timeout=PATIENCE_MS)

# What both pages have: the lesson, the days, the quality, the sessions.
SHOWN = """() => ["now", "hour-title", "lanes", "days", "unknown-share", "unknown-reasons", "calibration", "sessions"]
  .map((id) => document.getElementById(id).textContent)"""


def school(**options: bool) -> School:
    return School(lesson(), history(3), **options)


async def open_learner(page: Page, url: str) -> None:
    await page.goto(f"{url}class/learner/3?module=3")
    await expect(page.locator(".session")).not_to_have_count(0)
    await expect(page.locator("#history")).to_be_visible()


async def open_me(page: Page, url: str) -> None:
    await page.add_init_script("sessionStorage.setItem('rtc-demo-user', '3')")
    await page.goto(f"{url}me")
    await expect(page.locator("#history")).to_be_visible()


async def test_the_lesson_is_a_timeline_with_a_lane_for_each_reason(open_page: OpenPage) -> None:
    given = school()
    newest = given.sessions[0]
    async with open_school(given) as url, open_page() as page:
        await open_learner(page, url)
        await expect(page.get_by_role("heading", level=1)).to_have_text("Carmela Santos")
        await expect(page.locator("#hour-timeline span")).to_have_count(len(newest["spans"]))
        lanes = await page.locator(".lane-name").all_inner_texts()
        assert lanes[0] == "Looking aside"
        assert lanes[-1] == "A second person"
        await expect(page.locator(".lane-sum").last).to_have_text("1 min")
        aside = sum(span["reason"] in ("looking_left", "looking_right") for span in newest["spans"])
        await expect(page.locator("#lanes li").first.locator(".lane-track span")).to_have_count(aside)
        await expect(page.locator("#days li")).to_have_count(14)
        today = sum(newest[f"{state}_s"] for state in ("focused", "unfocused", "unknown"))
        assert await page.locator("#days li").last.get_attribute("title")
        await expect(page.locator("#unknown-share")).to_have_text(f"{round(100 * newest['unknown_s'] / today)} %")
        await expect(page.locator("#calibration")).to_contain_text("1.8°")


async def test_the_cursor_says_what_was_when(open_page: OpenPage) -> None:
    given = school()
    second = given.sessions[0]["spans"][1]
    async with open_school(given) as url, open_page() as page:
        await open_learner(page, url)
        cursor = page.get_by_role("slider", name="What was when")
        await cursor.focus()
        for _ in range(int(second["start_s"]) + 1):
            await page.keyboard.press("ArrowRight")
        await expect(page.locator("#at")).to_contain_text("Elsewhere: ")
        assert await cursor.get_attribute("aria-valuetext") == (await page.locator("#at").inner_text()).replace(
            " ·", ":"
        )
        box = await page.locator("#hour-timeline").bounding_box()
        assert box is not None
        await page.mouse.move(box["x"] + 5, box["y"] + 20)
        await expect(page.locator("#at")).to_contain_text("Turned to the screen")


async def test_an_earlier_lesson_is_chosen(open_page: OpenPage) -> None:
    given = school()
    async with open_school(given) as url, open_page() as page:
        await open_learner(page, url)
        newest = await page.locator("#hour-title").inner_text()
        button = page.locator(".session").nth(2)
        await button.focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("#hour-title")).not_to_have_text(newest)
        await expect(page.locator(".session").nth(2)).to_have_attribute("aria-pressed", "true")
        await expect(page.locator(".session").nth(2)).to_be_focused()
        await expect(page.locator("#hour-timeline span")).to_have_count(len(given.sessions[2]["spans"]))


@pytest.mark.parametrize("kind", ["csv", "ndjson"])
async def test_it_is_exported(open_page: OpenPage, kind: str) -> None:
    given = school()
    async with open_school(given) as url, open_page() as page:
        await open_learner(page, url)
        async with page.expect_download() as downloading:
            await page.get_by_role("button", name=kind.upper(), exact=True).click()
        download = await downloading.value
        assert download.suggested_filename == f"learner-3.{kind}"
        lines = Path(await download.path()).read_text().splitlines()
    if kind == "csv":
        assert lines[0].startswith("focus_session_id,")
    else:
        assert json.loads(lines[0])["focus_session_id"] == given.sessions[0]["focus_session_id"]
    assert f"/api/v1/sessions.{kind}?user_id=3&module_id=3" in given.asked


async def test_a_row_of_before_has_no_timeline(open_page: OpenPage) -> None:
    given = school()
    row = {name: value for name, value in given.sessions[-1].items() if name not in ("spans", "multiple_faces")}
    row |= {"focus_session_id": None, "policy": None, "unknown_s": None, "multiple_faces_s": None}
    given.sessions.append(row | {"started_at": "2026-09-01T08:00:00+00:00"})
    async with open_school(given) as url, open_page() as page:
        await open_learner(page, url)
        await expect(page.locator(".session").last).to_contain_text("kept by the platform")
        given.sessions[:-1] = []
        await page.reload()
        await expect(page.locator(".session")).to_have_count(1)
        await expect(page.locator("#hour")).to_be_hidden()


async def test_the_learner_sees_what_the_teacher_sees(open_page: OpenPage) -> None:
    async with open_school(school()) as url, open_page() as teacher, open_page() as learner:
        await open_learner(teacher, url)
        await open_me(learner, url)
        assert await learner.evaluate(SHOWN) == await teacher.evaluate(SHOWN)


async def test_it_is_erased_after_a_question(open_page: OpenPage) -> None:
    given = school()
    async with open_school(given) as url, open_page() as page:
        await open_me(page, url)
        await page.get_by_role("button", name="Erase all of it").click()
        await page.get_by_role("button", name="Keep it").click()
        await expect(page.locator("#erase-dialog")).to_be_hidden()
        assert given.erased == []
        await page.get_by_role("button", name="Erase all of it").click()
        await page.get_by_role("button", name="Erase", exact=True).click()
        await expect(page.get_by_role("heading", name="It is erased")).to_be_focused()
        assert given.erased == [3]
        await expect(page.locator("#erased-rest")).to_be_hidden()
        await page.reload()
        await expect(page.get_by_role("heading", name="Nothing is stored about you")).to_be_visible()


async def test_where_the_school_does_not_allow_it_it_says_whom_to_ask(open_page: OpenPage) -> None:
    given = school(may_erase=False)
    async with open_school(given) as url, open_page() as page:
        await open_me(page, url)
        await page.get_by_role("button", name="Erase all of it").click()
        await page.get_by_role("button", name="Erase", exact=True).click()
        await expect(page.locator("#erase-problem")).to_contain_text("Ask your teacher")
        assert given.erased == []


async def test_without_a_token_it_says_what_to_do(open_page: OpenPage) -> None:
    async with open_school(school(demo=False)) as url, open_page() as page:
        await page.goto(f"{url}me")
        await expect(page.get_by_role("heading", name="Open this page from your course")).to_be_focused()


@pytest.mark.parametrize("path", ["class/learner/3?module=3", "me"])
async def test_nothing_is_wider_than_a_phone(open_page: OpenPage, path: str) -> None:
    async with open_school(school()) as url, open_page() as page:
        await page.add_init_script("sessionStorage.setItem('rtc-demo-user', '3')")
        await page.set_viewport_size({"width": 390, "height": 844})
        await page.goto(url + path)
        await expect(page.locator("#sessions li")).not_to_have_count(0)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.timeout(120)
async def test_in_firefox(tmp_path: Path) -> None:
    given = school()
    async with open_school(given) as url, firefox_page(tmp_path, "() => { window.errors = []; }") as page:
        await page.goto(f"{url}class")
        await page.wait_for("document.querySelectorAll('.learner').length === 22")
        await page.wait_for("document.getElementById('now-focused').textContent === '15'")
        await page.wait_for("document.querySelectorAll('.strip[aria-label*=unknown]').length === 22")
        drawn = (
            "document.querySelector('.strip').getContext('2d').getImageData(0, 12, 100, 1).data.some((value) => value)"
        )
        assert await page.evaluate(drawn) is True
        given.change(1, state="unfocused", reason="eyes_closed", since="2026-01-01T00:00:00Z")
        await page.wait_for("document.querySelector('#list-unfocused .who').textContent === 'Amihan Reyes'")
        await page.goto(f"{url}class/learner/3?module=3")
        await page.wait_for("document.querySelectorAll('#sessions li').length > 5")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth") is True
        await page.goto(f"{url}me")
        await page.wait_for("!document.getElementById('nothing').hidden")


async def test_the_share_of_each_day_is_of_the_known_time(open_page: OpenPage) -> None:
    given = school()
    async with open_school(given) as url, open_page() as page:
        await open_learner(page, url)
        newest = given.sessions[0]
        share = round(100 * newest["focused_s"] / (newest["focused_s"] + newest["unfocused_s"]))
        await expect(page.locator("#hour-share")).to_have_text(f"{share} %")
        await expect(page.locator(".session-share").first).to_have_text(re.compile(f"^{share} %$"))

"""The class at a glance: who looks where, and for how long, as a school by contract tells it."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.conftest import PATIENCE_MS, OpenPage
from tests.e2e.school import School, crowd, lesson, live_learner, open_school

pytestmark = pytest.mark.asyncio(loop_scope="package")
expect.set_options(timeout=PATIENCE_MS)

LONG_TASK_MS = 50.0
"""What the W3C's Long Tasks API calls long: a person notices it."""
WATCHED_MS = 8_000
SHAPES = """() => Object.fromEntries([...document.querySelectorAll(".learner")].map((card) => [
  card.querySelector(".who").textContent, card.querySelector(".body").getAttribute("d").slice(0, 12)
]))"""


async def names(page: Page, group: str) -> list[str]:
    return await page.locator(f"#list-{group} .who").all_inner_texts()


async def open_class(page: Page, url: str, expected: int) -> None:
    await page.goto(f"{url}class")
    await expect(page.locator(".learner")).to_have_count(expected)


async def test_one_glance_tells_how_the_class_is(open_page: OpenPage) -> None:
    async with open_school(School(lesson())) as url, open_page() as page:
        await open_class(page, url, 22)
        await expect(page.locator("#now-focused")).to_have_text("15")
        await expect(page.locator("#now-of")).to_have_text("of 21")
        for group, count in {"unfocused": "4", "unknown": "2", "left": "1"}.items():
            await expect(page.locator(f"#now-{group}")).to_have_text(count)
        # Who has been elsewhere longest comes first; what is unknown stands apart from that.
        assert await names(page, "unfocused") == [
            "Hiraya Mendoza",
            "Carmela Santos",
            "Efren Bautista",
            "Kidlat Navarro",
        ]
        assert await page.locator("#list-unfocused .why").all_inner_texts() == [
            "Nobody in the picture",
            "Looking aside",
            "Looking down",
            "Eyes closed",
        ]
        assert await names(page, "unknown") == ["Mayumi Aquino", "Ofelia Garcia"]
        assert await page.locator("#list-unknown .why").all_inner_texts() == ["Too dark to tell", "Paused"]
        assert await names(page, "left") == ["Tala Marquez"]
        second = page.locator(".learner", has=page.locator(".second:not([hidden])"))
        await expect(second.locator(".who")).to_have_text("Querubin Flores")
        await expect(second.locator(".second")).to_have_text("+1A second person")
        await expect(page.locator("#list-unfocused .since").first).to_have_text(re.compile(r"^3:\d\d$"))
        await expect(page.locator("#list-unfocused .share").first).to_have_text(re.compile(r"^\d+ %$"))
        await expect(page.locator("#units [data-state=unfocused]")).to_have_count(4)
        await expect(page.locator("#today-learners")).to_have_text("22 learners")
        shapes: dict[str, str] = await page.evaluate(SHAPES)
        states = [shapes[name] for name in ("Amihan Reyes", "Hiraya Mendoza", "Mayumi Aquino")]
        assert len(set(states)) == 3, "told apart by shape, not by colour alone"


async def test_who_looks_away_is_moved_once_it_lasts(open_page: OpenPage) -> None:
    school = School([live_learner(1, since_s=60), live_learner(2, since_s=60)])
    async with open_school(school) as url, open_page() as page:
        await open_class(page, url, 2)
        now = datetime.now(UTC)
        school.change(2, state="unfocused", reason="looking_down", since=now.isoformat())
        await expect(page.locator("#list-focused .why").nth(1)).to_have_text("Looking down")
        await expect(page.locator("#now-unfocused")).to_have_text("1")
        assert await names(page, "unfocused") == [], "a glance moves nobody"
        await expect(page.locator("#list-unfocused .who")).to_have_text("Bayani Cruz")
        assert (datetime.now(UTC) - now).total_seconds() >= 3
        school.change(1, connected=False, end_reason="stopped")
        await expect(page.locator("#list-left .who")).to_have_text("Amihan Reyes")
        await expect(page.locator("#list-left .why")).to_have_text("Left")
        school.say("left", {"focus_session_id": school.learners[0]["focus_session_id"]})
        await expect(page.locator(".learner")).to_have_count(1)
        await expect(page.locator("#group-left")).to_be_hidden()


async def test_a_newcomer_appears_and_the_clock_of_this_computer_does_not_matter(open_page: OpenPage) -> None:
    school = School([live_learner(1, since_s=60)])
    async with open_school(school) as url, open_page() as page:
        await page.add_init_script("const at = Date.now; Date.now = () => at() + 3_600_000")
        await open_class(page, url, 1)
        school.say("learner", live_learner(2, since_s=5))
        await expect(page.locator(".learner")).to_have_count(2)
        await expect(page.locator(".learner .since").first).to_have_text(re.compile(r"^1:0\d$"))


async def test_without_news_everything_stands_still_and_says_so(open_page: OpenPage) -> None:
    school = School(lesson())
    async with open_page() as page:
        async with open_school(school) as url:
            await open_class(page, url, 22)
            await expect(page.locator("#news")).to_have_text("Live")
        await expect(page.locator("#news")).to_have_text(re.compile(r"^No news since .*\d.*\. Connecting again…$"))
        await expect(page.locator("#class")).to_have_attribute("data-news", "lost")
        before = await page.locator(".since").all_inner_texts()
        await page.wait_for_timeout(2_100)
        assert await page.locator(".since").all_inner_texts() == before
        await expect(page.locator("#now-focused")).to_have_text("15")
        port = int(url.split(":")[-1].strip("/"))
        async with open_school(School(lesson()[:3]), port=port):
            await expect(page.locator("#news")).to_have_text("Live")
            await expect(page.locator(".learner")).to_have_count(3)


async def test_where_a_school_shows_sums_only_nobody_is_shown_alone(open_page: OpenPage) -> None:
    school = School(lesson(), sums_only=True)
    async with open_school(school) as url, open_page() as page:
        await open_class(page, url, 0)
        await expect(page.locator("#sums-only")).to_be_visible()
        await expect(page.locator("#now-focused")).to_have_text("15")
        await expect(page.locator("#now-of")).to_have_text("of 21")
        await expect(page.locator("#units span")).to_have_count(21)
        school.say("totals", None)
        await expect(page.locator("#now-focused")).to_have_text("–")
        await expect(page.locator("#units span")).to_have_count(0)
        await page.goto(f"{url}class/learner/3")
        await expect(page.get_by_role("heading", name="Only sums are shown here")).to_be_visible()


async def test_a_feed_that_hangs_up_is_followed_again(open_page: OpenPage) -> None:
    school = School(lesson())
    async with open_school(school) as url, open_page() as page:
        await open_class(page, url, 22)
        school.learners = school.learners[:5]
        school.hang_up()
        await expect(page.locator(".learner")).to_have_count(5)
        await expect(page.locator("#news")).to_have_text("Live")


async def test_a_token_in_the_address_is_taken_out_of_it_and_kept_for_the_tab(open_page: OpenPage) -> None:
    school = School(lesson(), demo=False)
    async with open_school(school) as url, open_page() as page:
        await page.goto(f"{url}class#token={school.token()}")
        await expect(page.locator(".learner")).to_have_count(22)
        assert page.url == f"{url}class"
        await page.reload()
        await expect(page.locator(".learner")).to_have_count(22)
        assert not [address for address in school.asked if "token" in address]
        await expect(page.get_by_role("link", name="Lesson")).to_be_hidden()


@pytest.mark.parametrize("role", [None, "learner"])
async def test_without_a_teachers_token_it_says_what_to_do(open_page: OpenPage, role: str | None) -> None:
    school = School(lesson(), demo=False)
    async with open_school(school) as url, open_page() as page:
        await page.goto(f"{url}class" + (f"#token={school.token(role)}" if role else ""))
        await expect(
            page.get_by_role("heading", name="Open this page from your course, as its teacher")
        ).to_be_focused()
        await expect(page.locator("#no-access")).to_contain_text("rtc-server token --role teacher")
        assert school.asked == []


async def test_a_token_that_is_refused_is_forgotten(open_page: OpenPage) -> None:
    school = School(lesson(), demo=False)
    async with open_school(school) as url, open_page() as page:
        head, body, _ = school.token().split(".")
        await page.goto(f"{url}class#token={head}.{body}.AAAA")
        await expect(page.locator("#no-access")).to_be_visible()
        assert await page.evaluate("sessionStorage.getItem('rtc-token')") == ""


async def test_a_teacher_of_two_modules_chooses(open_page: OpenPage) -> None:
    school = School(lesson(), modules=(3, 4))
    async with open_school(school) as url, open_page() as page:
        await open_class(page, url, 22)
        await page.locator("#modules a", has_text="4").click()
        await expect(page.locator(".learner")).to_have_count(22)
        await expect(page.locator("#modules [aria-current]")).to_have_text("4")
        assert "/api/v1/class?module_id=4" in school.asked


async def test_it_is_walked_through_with_the_keyboard(open_page: OpenPage) -> None:
    async with open_school(School(lesson())) as url, open_page() as page:
        await open_class(page, url, 22)
        await page.locator("#class-title").focus()
        await page.keyboard.press("Tab")
        await expect(page.locator("#list-unfocused a").first).to_be_focused()
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/class/learner/8?module=3")


async def test_nothing_is_wider_than_a_phone(open_page: OpenPage) -> None:
    async with open_school(School(lesson(), modules=(3, 4))) as url, open_page() as page:
        await page.set_viewport_size({"width": 390, "height": 844})
        await open_class(page, url, 22)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await expect(page.locator("#now-unknown")).to_be_in_viewport()


@pytest.mark.timeout(120)
async def test_two_hundred_learners_with_an_update_a_second_are_smooth(open_page: OpenPage, browser: Browser) -> None:
    """Of each task the processor's time is taken: other programs on this machine are not the page's fault."""
    async with open_school(School(crowd(200), every_second=True)) as url, open_page() as page:
        await open_class(page, url, 200)
        await expect(page.locator(".strip[aria-label*=unknown]")).to_have_count(200)
        before = await page.locator(".since").nth(150).text_content()
        await browser.start_tracing(page=page, categories=["toplevel", "disabled-by-default-devtools.timeline"])
        await page.wait_for_timeout(WATCHED_MS)
        tasks = main_thread_tasks_ms(json.loads(await browser.stop_tracing()))
        assert await page.locator(".since").nth(150).text_content() != before
    assert len(tasks) > 100
    assert max(tasks) < LONG_TASK_MS


def main_thread_tasks_ms(trace: dict[str, Any]) -> list[float]:
    """Processor time of each task of the page's main thread."""
    events = trace["traceEvents"]
    mains = {(e["pid"], e["tid"]) for e in events if e.get("args", {}).get("name") == "CrRendererMain"}
    return [
        event["tdur"] / 1000
        for event in events
        if event["name"].endswith("RunTask") and (event["pid"], event["tid"]) in mains and "tdur" in event
    ]


async def test_since_when_is_told_to_the_second(open_page: OpenPage) -> None:
    since = datetime.now(UTC) - timedelta(minutes=62, seconds=5)
    school = School([live_learner(1, "unfocused", "looking_down", 30, since=since.isoformat())])
    async with open_school(school) as url, open_page() as page:
        await open_class(page, url, 1)
        await expect(page.locator(".since")).to_have_text(re.compile(r"^1:02:(0\d|1\d)$"))

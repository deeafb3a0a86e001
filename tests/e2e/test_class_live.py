"""From a camera to the class, the learner's lesson, its export and its end: the real server, and real browsers."""

import csv
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.databases import PrivateMariaDb
from tests.e2e.conftest import PATIENCE_MS, OpenPage, final_row
from tests.e2e.demo_page import CAMERA_WITH_SCENES, seconds, start, stop
from tests.e2e.server_process import running_server

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(150)]
expect.set_options(timeout=PATIENCE_MS)

STATES = ("focused", "unfocused", "unknown")


async def test_what_the_camera_sees_is_what_teacher_and_learner_see(
    open_page: OpenPage, mariadb_server: PrivateMariaDb
) -> None:
    database_url = mariadb_server.new_database()
    demo = running_server("--demo", RTC_DATABASE_URL=database_url)
    async with demo as server, open_page() as learner, open_page() as teacher:
        await teacher.goto(server.url)
        await teacher.get_by_role("link", name="Class").click()
        await expect(teacher.locator("#empty")).to_be_visible()

        await learner.add_init_script(CAMERA_WITH_SCENES)
        await learner.goto(server.url)
        await start(learner)
        await expect(teacher.locator("#list-focused .learner")).to_have_count(1)
        await expect(teacher.locator("#now-focused")).to_have_text("1")
        await learner.evaluate("window.scene = 'empty room'")
        await expect(teacher.locator("#list-unfocused .why")).to_have_text("Nobody in the picture")
        await learner.evaluate("window.scene = ''")
        await expect(teacher.locator("#list-focused .learner")).to_have_count(1)
        await learner.get_by_role("button", name="Pause").click()
        await expect(teacher.locator("#list-unknown .why")).to_have_text("Paused")
        await learner.get_by_role("button", name="Resume").click()
        await expect(learner.locator("#state")).to_have_text("Focused")
        await stop(learner)
        await expect(teacher.locator("#list-left .why")).to_have_text("Left")
        user_id = int(await learner.locator("td[data-column=user_id]").inner_text())
        shown = {
            state: seconds(await learner.locator(f"#stored-times [data-state={state}] dd").inner_text())
            for state in STATES
        }
        row = await final_row(database_url, "user_id", user_id)

        await teacher.locator("#list-left a").click()
        await expect(teacher.locator(".session")).to_have_count(1)
        await expect(teacher.get_by_role("heading", level=1)).to_have_text(f"Learner {user_id}")
        assert "Nobody in the picture" in await teacher.locator(".lane-name").all_inner_texts()
        assert "Paused" in await teacher.locator(".lane-name").all_inner_texts()
        async with teacher.expect_download() as downloading:
            await teacher.get_by_role("button", name="CSV", exact=True).click()
        (exported,) = csv.DictReader(Path(await (await downloading.value).path()).read_text().splitlines())
        assert round(float(exported["focused_s"])) == row["focused_time_seconds"]
        for state in STATES:
            assert abs(float(exported[f"{state}_s"]) - shown[state]) < 1.01
            words = await teacher.locator(f"#hour-{state}").inner_text()
            assert words == f"{round(float(exported[f'{state}_s']))} s"

        await learner.get_by_role("link", name="Me").click()
        await expect(learner.locator("#user")).to_have_text(str(user_id))
        lanes = await teacher.locator("#lanes").text_content()
        await expect(learner.locator("#lanes")).to_have_text(lanes or "")
        await learner.get_by_role("button", name="Erase all of it").click()
        await learner.get_by_role("button", name="Erase", exact=True).click()
        await expect(learner.get_by_role("heading", name="It is erased")).to_be_visible()
        # The platform's own row stays: it is the platform's.
        await expect(learner.locator("#erased-rest")).to_be_visible()
        await teacher.reload()
        await expect(teacher.locator(".session")).to_contain_text("kept by the platform, without a timeline")
        await expect(teacher.locator("#hour")).to_be_hidden()

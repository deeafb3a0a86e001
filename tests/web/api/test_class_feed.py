"""The feed of a class: what readers are told, how often, and what a slow one costs."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from rtc_server.errors import RateLimited
from rtc_server.focus.state import FocusState, Reason, Totals
from rtc_server.learner import Learner
from rtc_server.peer.live_class import LiveLearner, RecentStretch
from rtc_server.record import EndReason
from rtc_server.web.api import class_feed
from rtc_server.web.api.class_feed import MAX_READERS, MAX_READERS_OF_USER, ClassFeed
from rtc_server.web.api.class_reader import MAX_WAITING, Reader

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def live(user_id: int = 7, state: FocusState = FocusState.FOCUSED, **changes: Any) -> LiveLearner:
    one = LiveLearner(
        focus_session_id=f"session-{user_id}",
        learner=Learner(user_id, 3),
        display_name=None,
        state=state,
        reason=Reason.ON_SCREEN,
        since=NOON,
        paused=False,
        connected=True,
        second_person=False,
        calibration_quality=None,
        totals=Totals(focused_s=5.0),
        started_at=NOON,
        recent=(RecentStretch(NOON, NOON, state, Reason.ON_SCREEN),),
    )
    return replace(one, **changes)


class Here:
    """Stands for the registry's LiveClass."""

    def __init__(self, *learners: LiveLearner) -> None:
        self.now = list(learners)
        self.fault: Exception | None = None

    def learners(self, module_id: int) -> list[LiveLearner]:
        if self.fault is not None:
            raise self.fault
        return [one for one in self.now if one.learner.module_id == module_id]


@pytest.fixture
def here() -> Here:
    return Here(live(7), live(8, FocusState.UNFOCUSED))


@pytest.fixture
async def feed(here: Here, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ClassFeed]:
    monkeypatch.setattr(class_feed, "EVERY_S", 0.01)
    feed = ClassFeed(here, min_group=0)
    yield feed
    await feed.close()


async def told(reader: Reader) -> list[tuple[str, Any]]:
    """The next events, with their data."""
    text = (await reader.events(5.0)).decode()
    events = []
    for event in text.split("\n\n")[:-1]:
        name, data = event.split("\n")
        events.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return events


async def told_of(reader: Reader, name: str) -> Any:
    async with asyncio.timeout(5):
        while True:
            for event, data in await told(reader):
                if event == name:
                    return data


async def test_a_reader_first_gets_the_whole_class(feed: ClassFeed) -> None:
    reader = feed.join(3, user_id=99)

    ((name, whole),) = await told(reader)

    assert name == "class"
    assert whole["module_id"] == 3
    assert [(one["user_id"], one["state"]) for one in whole["learners"]] == [(7, "focused"), (8, "unfocused")]
    assert whole["totals"] == {"learners": 2, "focused": 1, "unfocused": 1, "unknown": 0, "gone": 0}
    assert whole["learners"][0]["recent"] == [
        {"start": "2026-03-02T12:00:00Z", "end": "2026-03-02T12:00:00Z", "state": "focused", "reason": "on_screen"}
    ]


async def test_a_change_is_told_and_what_stays_is_not(feed: ClassFeed, here: Here, monkeypatch) -> None:
    monkeypatch.setattr(class_feed, "REFRESH_S", 60.0)
    reader = feed.join(3, user_id=99)
    await told_of(reader, "class")

    here.now[0] = live(7, FocusState.UNKNOWN, reason=Reason.LOW_LIGHT)
    events = await told(reader)

    assert [(name, data.get("user_id")) for name, data in events] == [("learner", 7), ("totals", None)]
    assert events[0][1]["reason"] == "low_light"


async def test_sums_that_grow_are_told_after_a_while(feed: ClassFeed, here: Here, monkeypatch) -> None:
    monkeypatch.setattr(class_feed, "REFRESH_S", 0.05)
    reader = feed.join(3, user_id=99)
    await told(reader)
    here.now = [live(7, totals=Totals(focused_s=6.0))]

    async with asyncio.timeout(5):
        while (await told_of(reader, "learner"))["focused_s"] != 6.0:
            pass


async def test_who_leaves_is_gone_and_later_out_of_the_list(feed: ClassFeed, here: Here) -> None:
    reader = feed.join(3, user_id=99)
    await told_of(reader, "class")

    here.now[0] = live(7, FocusState.UNKNOWN, connected=False, end_reason=EndReason.STOPPED)
    totals = await told_of(reader, "totals")
    assert totals == {"learners": 1, "focused": 0, "unfocused": 1, "unknown": 0, "gone": 1}
    here.now = here.now[1:]

    assert await told_of(reader, "left") == {"focus_session_id": "session-7"}


async def test_with_a_least_group_there_are_totals_only(here: Here, monkeypatch) -> None:
    monkeypatch.setattr(class_feed, "EVERY_S", 0.01)
    feed = ClassFeed(here, min_group=2)
    try:
        reader = feed.join(3, user_id=99)
        ((_, whole),) = await told(reader)
        assert (whole["learners"], whole["totals"]["learners"]) == ([], 2)

        here.now = here.now[1:]
        assert await told(reader) == [("totals", None)]
    finally:
        await feed.close()


async def test_a_reader_who_does_not_read_holds_the_newest_only_and_a_bounded_number() -> None:
    reader = Reader(3, 99)
    reader.begin(b"")
    for number in range(10 * MAX_WAITING):
        reader.put("one", f"old {number}".encode())
    reader.put("other", b" and another")
    assert await reader.events(0) == f"old {10 * MAX_WAITING - 1} and another".encode()

    for number in range(MAX_WAITING + 1):
        reader.put(str(number), b"x")

    assert reader.wants_all
    assert await reader.events(0) == b""


async def test_who_missed_too_much_gets_the_whole_class_again(feed: ClassFeed) -> None:
    reader = feed.join(3, user_id=99)
    await told(reader)

    for number in range(MAX_WAITING + 1):
        reader.put(str(number), b"x")

    assert (await told_of(reader, "class"))["module_id"] == 3


async def test_readers_are_few(feed: ClassFeed) -> None:
    for _ in range(MAX_READERS_OF_USER):
        feed.join(3, user_id=99)
    with pytest.raises(RateLimited):
        feed.join(4, user_id=99)
    for number in range(MAX_READERS - MAX_READERS_OF_USER):
        feed.join(3, user_id=1000 + number)
    with pytest.raises(RateLimited):
        feed.join(3, user_id=5000)


async def test_nobody_is_asked_where_nobody_looks(feed: ClassFeed) -> None:
    one, other = feed.join(3, user_id=99), feed.join(3, user_id=99)
    (task,) = [task for task in asyncio.all_tasks() if task.get_name() == "class feed"]

    feed.leave(one)
    assert not task.cancelling()
    feed.leave(other)

    await asyncio.wait([task], timeout=5)
    assert task.cancelled()


async def test_a_bug_ends_the_streams_and_the_next_reader_begins_anew(feed: ClassFeed, here: Here, caplog) -> None:
    reader = feed.join(3, user_id=99)
    here.fault = ZeroDivisionError()
    async with asyncio.timeout(5):
        while not reader.closed:
            await reader.events(1.0)
    assert "a class is no longer shown" in caplog.text

    here.fault = None
    newcomer = feed.join(3, user_id=99)  # before the other has left
    assert (await told(newcomer))[0][0] == "class"

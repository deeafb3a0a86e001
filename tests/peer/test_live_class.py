"""Who is here now, as the registry tells it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rtc_server.focus.state import FocusState, Reason
from rtc_server.learner import Grant
from rtc_server.peer import live_class
from rtc_server.peer.live_class import LiveLearner
from rtc_server.peer.registry import PeerRegistry
from rtc_server.record import EndReason
from tests.peer.learner_client import LearnerClient, grant, learner_client
from tests.peer.stand_ins import until


@asynccontextmanager
async def connected(registry: PeerRegistry, as_learner: Grant) -> AsyncIterator[LearnerClient]:
    async with learner_client() as client:
        await client.connect(registry, as_learner)
        yield client


def one(registry: PeerRegistry) -> LiveLearner:
    (found,) = registry.live_class.learners(1)
    return found


async def here(registry: PeerRegistry) -> LiveLearner:
    """Once the learner has been seen for long enough to be judged."""
    await until(
        lambda: any(
            learner.connected and learner.totals.unfocused_s > 0.2 for learner in registry.live_class.learners(1)
        ),
        "the learner is in the list, and nobody is in the picture",
    )
    return one(registry)


async def test_a_learner_is_shown_with_state_reason_and_since_when(registry: PeerRegistry) -> None:
    named = replace(grant(), display_name="Ana")
    began = datetime.now(UTC)
    async with connected(registry, named):
        found = await here(registry)

        assert (found.reason, found.display_name, found.connected, found.paused) == (
            Reason.NO_FACE, "Ana", True, False,
        )  # fmt: skip
        assert began - timedelta(seconds=1) < found.since <= datetime.now(UTC) + timedelta(seconds=1)
        assert found.recent[-1].state is FocusState.UNFOCUSED
        assert found.recent[-1].end - found.recent[0].start < timedelta(seconds=30)
        assert found.end_reason is None
        assert registry.live_class.learners(2) == []


async def test_who_pauses_is_unknown_because_of_that(registry: PeerRegistry) -> None:
    async with connected(registry, grant()) as learner:
        await here(registry)
        await learner.told("tracking_started")
        learner.say({"type": "pause"})
        await until(lambda: one(registry).paused, "the pause")

        assert (one(registry).state, one(registry).reason) == (FocusState.UNKNOWN, Reason.PAUSED)


async def test_who_stops_stays_for_ten_minutes(registry: PeerRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected(registry, grant()) as learner:
        await here(registry)
        await learner.told("tracking_started")
        learner.say({"type": "stop"})
        await learner.closed.wait()
    await until(lambda: len(registry) == 0, "it is gone")

    left = one(registry)
    assert (left.connected, left.state, left.end_reason) == (False, FocusState.UNKNOWN, EndReason.STOPPED)
    assert left.totals.unfocused_s > 0

    monkeypatch.setattr(live_class, "RECENT_S", 0.0)
    await asyncio.sleep(0)
    assert registry.live_class.learners(1) == []


async def test_who_comes_back_is_there_once(registry: PeerRegistry) -> None:
    async with connected(registry, grant()) as first:
        await here(registry)
        await first.told("tracking_started")
        first.say({"type": "stop"})
        await first.closed.wait()
    async with connected(registry, grant()):
        await here(registry)

        assert one(registry).end_reason is None


async def test_who_is_lost_may_come_back_and_is_unknown_until_then(make_registry) -> None:
    registry = make_registry(resume_window_s=0.5)
    async with connected(registry, grant()):
        await here(registry)
        (peer,) = registry._peers.values()
        peer.lost()
        await until(lambda: not one(registry).connected, "the connection is lost")

        lost = one(registry)
        assert (lost.state, lost.reason, lost.end_reason) == (FocusState.UNKNOWN, Reason.NO_FRAMES, None)
        await until(lambda: one(registry).end_reason is EndReason.FAILED, "nobody came back")


async def test_who_is_erased_leaves_no_trace(registry: PeerRegistry, records) -> None:
    async with connected(registry, grant(user_id=1)), connected(registry, grant(user_id=2)):
        await until(lambda: len(registry.live_class.learners(1)) == 2, "both are seen")
        (session_id,) = [x.focus_session_id for x in registry.live_class.learners(1) if x.learner.user_id == 1]

        assert registry.end_user(1) == [session_id]
        await until(lambda: len(registry) == 1, "the peer has left")

        assert [learner.learner.user_id for learner in registry.live_class.learners(1)] == [2]
        assert registry.end_user(1) == []
        assert (await records.ended())[0].end_reason is EndReason.STOPPED

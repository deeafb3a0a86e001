"""Who may come in, who goes on, and who makes way."""

import asyncio
import itertools

import pytest

from rtc_server.channel.messages import Pause, Stop
from rtc_server.errors import OfferMalformed, OfferUnacceptable, PeerUnknown, ServerFull
from rtc_server.focus.state import FocusState
from rtc_server.peer.deadlines import Deadlines
from rtc_server.peer.registry import PeerRegistry
from rtc_server.record import EndReason
from rtc_server.transport import Connection
from tests.peer.learner_client import grant, learner_client
from tests.peer.stand_ins import MakeRegistry, Records, until
from tests.sdp.offers import VIDEO, offer


async def test_the_newest_peer_of_a_learner_wins(registry: PeerRegistry, records: Records) -> None:
    async with learner_client() as older, learner_client() as newer:
        await older.connect(registry)
        session = (await older.told("tracking_started"))["focus_session_id"]
        await older.told("tracking_update")
        await newer.connect(registry)
        assert (await older.told("tracking_stopped"))["reason"] == "replaced"
        (end,) = await records.ended()
        assert (end.focus_session_id, end.end_reason) == (session, "replaced")
        assert (await newer.told("tracking_started"))["focus_session_id"] != session
        await newer.told("tracking_update")
        await until(lambda: len(registry) == 1, "the older left")


async def test_learners_do_not_disturb_each_other(registry: PeerRegistry) -> None:
    async with learner_client() as one, learner_client() as other, learner_client() as elsewhere:
        await one.connect(registry, grant(1, 1))
        await other.connect(registry, grant(2, 1))
        await elsewhere.connect(registry, grant(1, 2))
        for client in (one, other, elsewhere):
            await client.told("tracking_update")
        assert len(registry) == 3


async def test_a_lost_learner_comes_back_to_the_same_session(registry: PeerRegistry, records: Records) -> None:
    async with learner_client() as first:
        answer = await first.connect(registry)
        session = (await first.told("tracking_started"))["focus_session_id"]
        before = await first.told("tracking_update", lambda update: update["media_time_s"] > 0.2)
        registry.peer(answer.peer_id).lost()
        await until(lambda: len(registry) == 0, "it was lost")
    await asyncio.sleep(0.2)
    async with learner_client() as second:
        await second.connect(registry, continues=session)
        started = await second.told("tracking_started")
        assert (started["continued"], started["focus_session_id"]) == (True, session)
        assert started["metrics"]["total_time"] >= before["metrics"]["total_time"]
        assert started["spans"][0]["start_s"] == 0.0
        assert started["spans"][-1]["end_s"] >= before["media_time_s"]
        after = await second.told("tracking_update", lambda update: update["server_ms"] > 0)
        assert after["media_time_s"] >= before["media_time_s"] + 0.2
        await second.told("tracking_update", lambda update: update["media_time_s"] > after["media_time_s"] + 0.1)
        second.say({"type": "stop"})
        (end,) = await records.ended()
    assert end.focus_session_id == session
    assert {record.focus_session_id for record in records.all} == {session}
    spans = end.spans
    assert all(earlier.end_s <= later.start_s for earlier, later in itertools.pairwise(spans))


async def test_a_learner_may_move_on_before_the_old_peer_is_missed(registry: PeerRegistry, records: Records) -> None:
    async with learner_client() as first, learner_client() as second:
        await first.connect(registry)
        session = (await first.told("tracking_started"))["focus_session_id"]
        await first.told("tracking_update")
        await second.connect(registry, continues=session)
        assert (await first.told("tracking_stopped"))["reason"] == "replaced"
        assert (await second.told("tracking_started"))["focus_session_id"] == session
        await second.told("tracking_update")
        await until(lambda: len(registry) == 1, "the older left")
        assert all(record.end_reason is None for record in records.all), "the session goes on"
        second.say({"type": "stop"})
        assert [end.end_reason for end in await records.ended()] == ["stopped"]


async def test_nobody_goes_on_with_anothers_session(registry: PeerRegistry) -> None:
    async with learner_client() as one, learner_client() as other:
        await one.connect(registry, grant(1))
        session = (await one.told("tracking_started"))["focus_session_id"]
        await other.connect(registry, grant(2), continues=session)
        started = await other.told("tracking_started")
        assert not started["continued"]
        assert started["focus_session_id"] != session
        await one.told("tracking_update")


async def test_an_unknown_session_is_a_new_one(registry: PeerRegistry) -> None:
    async with learner_client() as client:
        await client.connect(registry, continues="no such session")
        assert not (await client.told("tracking_started"))["continued"]


async def test_a_session_that_is_too_old_does_not_go_on(registry: PeerRegistry) -> None:
    async with learner_client() as first, learner_client() as second:
        answer = await first.connect(registry)
        session = (await first.told("tracking_started"))["focus_session_id"]
        registry.peer(answer.peer_id).session._began -= Deadlines().max_age_s
        await second.connect(registry, continues=session)
        assert not (await second.told("tracking_started"))["continued"]


async def test_who_does_not_come_back_is_ended(make_registry: MakeRegistry, records: Records) -> None:
    registry = make_registry(resume_window_s=0.05)
    async with learner_client() as client:
        answer = await client.connect(registry)
        session = (await client.told("tracking_started"))["focus_session_id"]
        await client.told("tracking_update")
        registry.peer(answer.peer_id).lost()
        (end,) = await records.ended()
        assert (end.focus_session_id, end.end_reason) == (session, "failed")
    async with learner_client() as client:
        await client.connect(registry, continues=session)
        assert not (await client.told("tracking_started"))["continued"]


async def test_a_new_session_ends_the_one_that_waits(registry: PeerRegistry, records: Records) -> None:
    async with learner_client() as client:
        answer = await client.connect(registry)
        session = (await client.told("tracking_started"))["focus_session_id"]
        await client.told("tracking_update")
        registry.peer(answer.peer_id).lost()
        await until(lambda: len(registry) == 0, "it was lost")
    async with learner_client() as client:
        await client.connect(registry)
        assert [end.focus_session_id for end in await records.ended()] == [session]


async def test_a_full_server_says_when_to_come_again(make_registry: MakeRegistry) -> None:
    registry = make_registry(max_peers=1)
    async with learner_client() as client, learner_client() as other, learner_client() as again:
        await client.connect(registry, grant(1))
        with pytest.raises(ServerFull) as full:
            await other.connect(registry, grant(2))
        assert full.value.retry_after_s > 0
        await again.connect(registry, grant(1))
        await again.told("tracking_update")


async def test_a_refused_offer_leaves_nothing_and_disturbs_nobody(registry: PeerRegistry, records: Records) -> None:
    async with learner_client() as client:
        await client.connect(registry)
        await client.told("tracking_update")
        before = len(asyncio.all_tasks())
        for sdp in ("", offer(VIDEO, VIDEO, group="0")):
            with pytest.raises(OfferMalformed):
                await registry.connect(sdp, grant())
        with pytest.raises(OfferUnacceptable):
            await registry.connect(offer(VIDEO.replace("96 97 102", "97"), group="0"), grant())
        assert len(registry) == 1
        assert len(asyncio.all_tasks()) == before
        await client.told("tracking_update")


async def test_an_offer_that_aiortc_refuses_leaves_nothing(
    registry: PeerRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(self: Connection, sdp: str) -> str:
        raise OfferUnacceptable("Not this one.")

    monkeypatch.setattr(Connection, "accept", refuse)
    with pytest.raises(OfferUnacceptable):
        await registry.connect(offer(), grant())
    assert len(registry) == 0


async def test_trickle_takes_candidates_and_refuses_a_restart(registry: PeerRegistry) -> None:
    async with learner_client() as client:
        answer = await client.connect(registry)
        ufrag = registry.peer(answer.peer_id).offer.ice_ufrag
        await registry.trickle(answer.peer_id, f"a=ice-ufrag:{ufrag}\r\na=end-of-candidates\r\n")
        with pytest.raises(OfferUnacceptable):
            await registry.trickle(answer.peer_id, "a=ice-ufrag:another\r\na=ice-pwd:0123456789012345678901\r\n")
        with pytest.raises(OfferMalformed):
            await registry.trickle(answer.peer_id, "")
        with pytest.raises(PeerUnknown):
            await registry.trickle("nobody", "a=end-of-candidates")


async def test_a_peer_is_closed_by_its_name(registry: PeerRegistry, records: Records) -> None:
    async with learner_client() as client:
        answer = await client.connect(registry)
        await client.told("tracking_update")
        await registry.close_peer(answer.peer_id, EndReason.STOPPED)
        assert (await records.ended())[0].end_reason == "stopped"
        await until(lambda: len(registry) == 0, "it left")
        with pytest.raises(PeerUnknown):
            await registry.close_peer(answer.peer_id, EndReason.STOPPED)


async def test_who_says_goodbye_while_being_lost_is_not_waited_for(registry: PeerRegistry, records: Records) -> None:
    async with learner_client() as client:
        answer = await client.connect(registry)
        session = (await client.told("tracking_started"))["focus_session_id"]
        await client.told("tracking_update")
        registry.peer(answer.peer_id).lost()
        await registry.close_peer(answer.peer_id, EndReason.STOPPED)
        (end,) = await records.ended()
        assert end.focus_session_id == session


async def test_who_comes_back_and_stops_before_it_has_connected_is_ended(
    registry: PeerRegistry, records: Records
) -> None:
    async with learner_client() as client:
        answer = await client.connect(registry)
        session = (await client.told("tracking_started"))["focus_session_id"]
        await client.told("tracking_update")
        registry.peer(answer.peer_id).lost()
        await until(lambda: len(registry) == 0, "it was lost")
    again = await registry.connect(offer(), grant(), continues=session)
    await registry.close_peer(again.peer_id, EndReason.STOPPED)
    assert [(end.focus_session_id, end.end_reason) for end in await records.ended()] == [(session, "stopped")]


async def test_an_offer_that_is_answered_too_late_is_refused(
    registry: PeerRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept, answering, going_down = Connection.accept, asyncio.Event(), asyncio.Event()

    async def slowly(self: Connection, sdp: str) -> str:
        answering.set()
        await going_down.wait()
        return await accept(self, sdp)

    monkeypatch.setattr(Connection, "accept", slowly)
    connecting = asyncio.create_task(registry.connect(offer(), grant()))
    await answering.wait()
    await registry.close()
    going_down.set()
    with pytest.raises(ServerFull):
        await connecting
    assert len(registry) == 0


async def test_an_older_peer_that_is_still_closing_says_nothing_for_the_newer_one(registry: PeerRegistry) -> None:
    async with learner_client() as older, learner_client() as newer:
        answer = await older.connect(registry)
        session = (await older.told("tracking_started"))["focus_session_id"]
        peer = registry.peer(answer.peer_id)
        await newer.connect(registry, continues=session)
        for message in (Pause(type="pause"), Stop(type="stop")):
            peer._conversation._heard(message)
        assert not peer.session.paused
        assert peer.session.may_be_continued


async def test_a_late_goodbye_leaves_alone_who_goes_on(registry: PeerRegistry, records: Records) -> None:
    async with learner_client() as older, learner_client() as newer:
        answer = await older.connect(registry)
        session = (await older.told("tracking_started"))["focus_session_id"]
        await newer.connect(registry, continues=session)
        await registry.close_peer(answer.peer_id, EndReason.STOPPED)
        await until(lambda: len(registry) == 1, "the older left")
        assert (await newer.told("tracking_started"))["continued"]
        await newer.told("tracking_update")
        assert all(record.end_reason is None for record in records.all)


async def test_a_shutdown_ends_and_records_all(registry: PeerRegistry, records: Records) -> None:
    async with learner_client() as live, learner_client() as lost:
        await live.connect(registry, grant(1))
        answer = await lost.connect(registry, grant(2))
        await live.told("tracking_update")
        await lost.told("tracking_update")
        registry.peer(answer.peer_id).lost()
        await until(lambda: len(registry) == 1, "one is lost")
        await registry.close()
        ended = await records.ended(2)
        assert sorted(end.learner.user_id for end in ended) == [1, 2]
        assert {end.end_reason for end in ended} == {"shutdown"}
        assert (await live.told("tracking_stopped"))["reason"] == "shutdown"
        async with learner_client() as late:
            with pytest.raises(ServerFull):
                await late.connect(registry, grant(3))


async def test_who_was_paused_is_still_paused_when_continued(registry: PeerRegistry, records: Records) -> None:
    async with learner_client() as first:
        answer = await first.connect(registry)
        session = (await first.told("tracking_started"))["focus_session_id"]
        await first.told("tracking_update")
        first.say({"type": "pause"})
        await until(lambda: records.last.session_type == "pause", "it is paused")
        registry.peer(answer.peer_id).lost()
        await until(lambda: len(registry) == 0, "it was lost")
    async with learner_client() as second:
        await second.connect(registry, continues=session)
        await second.told("tracking_started")
        second.say({"type": "resume"})
        await second.told("tracking_update", lambda update: update["server_ms"] > 0)
        assert records.last.session_type == "resume"
        assert all(s.state is not FocusState.FOCUSED for s in records.last.spans)

"""What peers count: offers that led nowhere, sessions from start to end, frames, packets and the age of updates."""

import logging

import pytest

from rtc_server.analysis.pool import AnalysisPool
from rtc_server.peer.counts import PeerCounts
from rtc_server.peer.deadlines import Deadlines
from rtc_server.record import EndReason
from rtc_server.tally import Tally
from tests.peer.learner_client import grant, learner_client
from tests.peer.stand_ins import MakeRegistry, Records, until


@pytest.fixture
def counts() -> PeerCounts:
    return PeerCounts()


def counted(tally: Tally) -> dict[str, int]:
    return {thing: count for thing, count in tally.read().items() if count}


async def test_an_offer_that_leads_to_no_connection(make_registry: MakeRegistry, counts: PeerCounts) -> None:
    registry = make_registry(deadlines=Deadlines(connect_s=0.1), counts=counts)
    async with learner_client() as client:
        await client.pc.setLocalDescription(await client.pc.createOffer())
        await registry.connect(client.pc.localDescription.sdp, grant())
        await until(lambda: len(registry) == 0, "it was given up")
    assert counted(counts.connections_failed) == {"no_connection": 1}
    assert counts.sessions.started == 1
    assert counted(counts.sessions.ended_for) == {"failed": 1}


async def test_who_leaves_before_the_connection_is_no_failure(make_registry: MakeRegistry, counts: PeerCounts) -> None:
    registry = make_registry(counts=counts)
    async with learner_client() as client:
        await client.pc.setLocalDescription(await client.pc.createOffer())
        answer = await registry.connect(client.pc.localDescription.sdp, grant())
        await registry.close_peer(answer.peer_id, EndReason.STOPPED)
        await until(lambda: len(registry) == 0, "it left")
    assert counted(counts.connections_failed) == {}
    assert counted(counts.sessions.ended_for) == {"stopped": 1}


async def test_a_session_from_its_start_to_its_end(
    make_registry: MakeRegistry, counts: PeerCounts, records: Records, caplog: pytest.LogCaptureFixture
) -> None:
    registry = make_registry(counts=counts)
    caplog.set_level(logging.INFO, "rtc_server.analysis.session_log")
    async with learner_client() as first:
        await first.connect(registry)
        session_id = (await first.told("tracking_started"))["focus_session_id"]
        await first.told("tracking_update")
    await until(lambda: registry.sessions_waiting == 1, "its connection is lost")
    async with learner_client() as second:
        answer = await second.connect(registry, continues=session_id)
        await second.told("tracking_update")
        await registry.close_peer(answer.peer_id, EndReason.STOPPED)
        await records.ended()
    assert (counts.sessions.started, counts.sessions.resumed) == (1, 1)
    assert counted(counts.sessions.ended_for) == {"stopped": 1}
    told = [
        (record.getMessage(), record.__dict__["focus_session_id"], record.__dict__.get("end_reason"))
        for record in caplog.records
        if record.name == "rtc_server.analysis.session_log"
    ]
    assert told == [
        ("session started", session_id, None),
        ("session lost its connection", session_id, None),
        ("session goes on", session_id, None),
        ("session ended", session_id, "stopped"),
    ]


async def test_frames_and_packets(make_registry: MakeRegistry, counts: PeerCounts, pool: AnalysisPool) -> None:
    registry = make_registry(counts=counts)
    async with learner_client() as client:
        await client.connect(registry)
        await client.told("tracking_update")
        client.say({"version": 1, "type": "pause"})
        await until(lambda: pool.frames.dropped.read()["paused"] > 2, "what comes in a pause is dropped")
        (peer,) = registry.peers
        assert peer.remote_host is not None
        assert counts.packets.received >= pool.frames.received > 2
        assert counts.update_age_s.count >= 1
        counts.refused_packets = 5
        assert registry.refused_packets == 5 + peer.refused_packets

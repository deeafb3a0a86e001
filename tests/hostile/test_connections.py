"""What one learner with a good token can do by connecting, disconnecting and reconnecting."""

import asyncio
import gc
import logging
import time
import weakref
from contextlib import suppress
from typing import Any

import av
import pytest

from rtc_server.errors import OfferMalformed, PeerUnknown, ServerFull
from rtc_server.peer.deadlines import Deadlines
from rtc_server.peer.peer import Peer
from rtc_server.peer.registry import PeerRegistry
from rtc_server.record import EndReason
from rtc_server.rtp.media_clock import MAX_AHEAD_S
from tests.peer.learner_client import Camera, LearnerClient, grant, learner_client
from tests.peer.stand_ins import MakeRegistry, Records, until

PEERS = 12
"""Each leaves a task behind about every second time where nothing prevents it."""

STAMPED_S = 0.7
"""Between two pictures by their timestamps; less than a second, so that no gap is seen."""
CONNECTIONS = 5


async def test_a_peer_that_is_closed_while_it_connects_leaves_nothing(
    registry: PeerRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    """aioice looks every 20 ms whether it is connected; a DELETE may come in between."""
    peers = [await _closed_when_nominated(registry, user_id) for user_id in range(PEERS)]
    await until(lambda: not _consent_tasks(), "no consent check goes on")
    await until(lambda: not _alive(peers), "nothing keeps a peer")
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def _closed_when_nominated(registry: PeerRegistry, user_id: int) -> "weakref.ref[Peer]":
    async with learner_client() as client:
        answer = await client.connect(registry, grant(user_id))
        peer = registry.peer(answer.peer_id)
        ice = peer._connection._dtls.transport._connection
        async with asyncio.timeout(5):
            while not ice._check_list_done:  # noqa: ASYNC110 (no event tells of it)
                await asyncio.sleep(0)
        await registry.close_peer(answer.peer_id, EndReason.STOPPED)
        # The client's own end would otherwise be closed in the same moment, and leak in the same way.
        await until(lambda: len(registry) == 0 and client.pc.iceConnectionState != "checking", "the peer has left")
        return weakref.ref(peer)


def _alive(peers: list["weakref.ref[Peer]"]) -> bool:
    gc.collect()
    return any(peer() is not None for peer in peers)


def _consent_tasks() -> list["asyncio.Task[object]"]:
    return [task for task in asyncio.all_tasks() if "query_consent" in repr(task.get_coro())]


class FastCamera(Camera):
    """Pictures 60 ms apart, whose timestamps are much further apart."""

    def __init__(self) -> None:
        super().__init__(fps=16)

    async def recv(self) -> av.VideoFrame:
        frame = await super().recv()
        frame.pts = round(self._count * STAMPED_S * 90_000)
        return frame


@pytest.mark.parametrize("continued", [True, False], ids=["continued", "one after the other"])
async def test_no_row_of_connections_earns_more_time_than_passes(registry: PeerRegistry, continued: bool) -> None:
    began, session, media_s = time.monotonic(), None, {}
    for _ in range(CONNECTIONS):
        async with learner_client(FastCamera()) as client:
            options: dict[str, Any] = {"continues": session} if continued else {}
            await client.connect(registry, **options)
            session = (await client.told("tracking_started"))["focus_session_id"]
            for _ in range(4):  # so few that its clock is not found to be too fast
                update = await client.told("tracking_update", lambda update: update["server_ms"] > 0)
            media_s[session] = update["media_time_s"]
    assert len(media_s) == (1 if continued else CONNECTIONS)
    assert sum(media_s.values()) <= time.monotonic() - began + MAX_AHEAD_S


@pytest.mark.parametrize("turns", [0, 1, 2, 4, 8, 16, 32])
async def test_a_session_that_is_ended_is_never_gone_on_with(
    registry: PeerRegistry, records: Records, turns: int
) -> None:
    """A DELETE while an offer that continues the session is being answered, so many turns of the loop after it."""
    async with learner_client() as first, learner_client() as second:
        answer = await first.connect(registry)
        session = (await first.told("tracking_started"))["focus_session_id"]
        await first.told("tracking_update")
        connecting = asyncio.create_task(second.connect(registry, continues=session))
        for _ in range(turns):
            await asyncio.sleep(0)
        with suppress(PeerUnknown):  # the newer peer was quicker, and this one has left
            await registry.close_peer(answer.peer_id, EndReason.STOPPED)
        await connecting
        started = await second.told("tracking_started")
        await second.told("tracking_update")
        await until(lambda: len(registry) == 1, "the older has left")
        ended = {record.focus_session_id for record in records.all if record.end_reason is not None}
        assert started["focus_session_id"] not in ended
        assert started["continued"] == (session not in ended)


async def test_who_pauses_before_any_picture_holds_no_place(make_registry: MakeRegistry, records: Records) -> None:
    registry = make_registry(deadlines=Deadlines(first_frame_s=0.1))
    async with learner_client(_still_camera()) as client:
        await client.connect(registry)
        await client.told("tracking_started")
        client.say({"type": "pause"})
        assert (await client.told("tracking_stopped"))["reason"] == "silence"
        assert records.all == []


async def test_the_longest_paused_without_a_picture_makes_way_where_the_server_is_full(
    make_registry: MakeRegistry,
) -> None:
    registry = make_registry(max_peers=2)
    async with (
        learner_client(_still_camera()) as first,
        learner_client(_still_camera()) as second,
        learner_client() as newcomer,
    ):
        for user_id, client in enumerate((first, second)):
            await client.connect(registry, grant(user_id))
            await client.told("tracking_started")
            await _pause(client)
        with pytest.raises(OfferMalformed):
            await registry.connect("v=0", grant(3))
        assert len(registry) == 2, "who only tries makes nobody go"
        await newcomer.connect(registry, grant(3))
        assert (await first.told("tracking_stopped"))["reason"] == "silence"
        await newcomer.told("tracking_update")
        await until(lambda: len(registry) == 2, "the first has left")
        assert not [message for message in second.messages if message["type"] == "tracking_stopped"]


async def test_who_was_seen_keeps_the_place_while_paused(make_registry: MakeRegistry) -> None:
    registry = make_registry(max_peers=1)
    async with learner_client() as seen, learner_client() as newcomer:
        await seen.connect(registry, grant(1))
        await seen.told("tracking_update")
        await _pause(seen)
        with pytest.raises(ServerFull):
            await newcomer.connect(registry, grant(2))


def _still_camera() -> Camera:
    camera = Camera()
    camera.running.clear()
    return camera


async def _pause(client: LearnerClient) -> None:
    client.say({"type": "pause"})
    await client.told("tracking_update", lambda update: update["reason"] == "paused")

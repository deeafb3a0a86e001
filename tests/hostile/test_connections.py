"""What one learner with a good token can do by connecting, disconnecting and reconnecting."""

import asyncio
import gc
import weakref

from rtc_server.peer.peer import Peer
from rtc_server.peer.registry import PeerRegistry
from tests.peer.conftest import until
from tests.peer.learner_client import grant, learner_client

PEERS = 12
"""Each leaves a task behind about every second time where nothing prevents it."""


async def test_a_peer_that_is_closed_while_it_connects_leaves_nothing(registry: PeerRegistry) -> None:
    """aioice looks every 20 ms whether it is connected; a DELETE may come in between."""
    peers = [await _closed_when_nominated(registry, user_id) for user_id in range(PEERS)]
    await until(lambda: not _consent_tasks(), "no consent check goes on")
    gc.collect()
    assert [peer() for peer in peers if peer() is not None] == []


async def _closed_when_nominated(registry: PeerRegistry, user_id: int) -> "weakref.ref[Peer]":
    async with learner_client() as client:
        answer = await client.connect(registry, grant(user_id))
        peer = registry.peer(answer.peer_id)
        ice = peer._connection._dtls.transport._connection
        async with asyncio.timeout(5):
            while not ice._check_list_done:  # noqa: ASYNC110 (no event tells of it)
                await asyncio.sleep(0)
        await registry.close_peer(answer.peer_id, "stopped")
        # The client's own end would otherwise be closed in the same moment, and leak in the same way.
        await until(lambda: len(registry) == 0 and client.pc.iceConnectionState == "completed", "the peer has left")
        return weakref.ref(peer)


def _consent_tasks() -> list["asyncio.Task[object]"]:
    return [task for task in asyncio.all_tasks() if "query_consent" in repr(task.get_coro())]

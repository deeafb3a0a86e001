"""What one learner's reads may cost: so many a minute, so many at once, and each for so long."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from rtc_server.learner import Learner
from rtc_server.web.access.auth import TokenVerifier
from rtc_server.web.access.read_access import ADMITTED_READS, RUNNING_READS, ReadAccess
from rtc_server.web.access.request_rate import RequestRate
from rtc_server.web.focus_sessions import FocusSessionsEndpoint
from rtc_server.web.stored_sessions import StoredSessionReading
from tests.web.endpoints import bearer

PATH = "/focus-sessions/6f9619ff-8b86-d011-b42d-00cf4fc964ff"
LEARNER, ANOTHER = bearer(Learner(7, 3)), bearer(Learner(8, 3))


class SlowStore:
    """Answers once it is told to, that there is no such session."""

    def __init__(self) -> None:
        self.answering = asyncio.Event()
        self.asked = asyncio.Semaphore(0)
        self.running = 0
        self.given_up = 0

    async def settle(self, focus_session_id: str) -> None:
        """Nothing is unsaved."""

    async def stored_session(self, focus_session_id: str, **_page: object) -> None:
        self.running += 1
        self.asked.release()
        try:
            await self.answering.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        finally:
            self.running -= 1


@pytest.fixture
def store() -> SlowStore:
    return SlowStore()


def routes(tokens: TokenVerifier, store: SlowStore, *, per_minute: int = 1000, within_s: float = 30.0):
    reads = ReadAccess(tokens, RequestRate.of_learners(per_minute), within_s=within_s)
    return FocusSessionsEndpoint(StoredSessionReading(reads, store, store, min_group=0)).routes()


@pytest.fixture
async def client(serve, tokens, store) -> AsyncIterator:
    yield await serve(routes(tokens, store))
    store.answering.set()


async def test_reads_without_end_get_429_and_others_are_answered(serve, tokens, store):
    store.answering.set()
    client = await serve(routes(tokens, store, per_minute=3))

    answers = [await client.get(PATH, headers=LEARNER) for _ in range(4)]

    assert [answer.status for answer in answers] == [404, 404, 404, 429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 20
    assert (await answers[-1].json(content_type=None))["code"] == "rate_limited"
    assert (await client.get(PATH, headers=ANOTHER)).status == 404


async def test_one_learner_has_so_many_reads_running_and_others_have_their_own(client, store):
    mine = [asyncio.create_task(client.get(PATH, headers=LEARNER)) for _ in range(ADMITTED_READS + 1)]
    (refused,), waiting = await asyncio.wait(mine, return_when=asyncio.FIRST_COMPLETED)
    for _ in range(RUNNING_READS):
        await store.asked.acquire()
    another = asyncio.create_task(client.get(PATH, headers=ANOTHER))
    await store.asked.acquire()

    assert store.running == RUNNING_READS + 1
    store.answering.set()
    assert ((await refused).status, (await refused).headers["Retry-After"]) == (429, "1")
    assert [(await answer).status for answer in [*waiting, another]] == [404] * (ADMITTED_READS + 1)
    assert (await client.get(PATH, headers=LEARNER)).status == 404


async def test_a_read_that_hangs_is_given_up_and_says_when_to_come_again(serve, tokens, store):
    client = await serve(routes(tokens, store, within_s=0.05))

    answers = [await client.get(PATH, headers=LEARNER) for _ in range(RUNNING_READS + 1)]

    assert {answer.status for answer in answers} == {503}
    assert int(answers[0].headers["Retry-After"]) > 0
    assert (await answers[0].json(content_type=None))["code"] == "store_unavailable"
    assert store.given_up == len(answers)

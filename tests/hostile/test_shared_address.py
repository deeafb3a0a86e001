"""A whole server with the limits it has by default, and a school behind one address with one rogue in it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import aiohttp
import pytest

from rtc_server.app import listening
from rtc_server.learner import Learner
from rtc_server.settings import Settings
from rtc_server.web.access.auth import mint_token
from tests.sdp.offers import offer

SECRET = "a secret of this test alone, of more than 32 bytes"
SDP = {"Content-Type": "application/sdp"}


@pytest.fixture
async def school(tmp_path, monkeypatch) -> AsyncIterator[aiohttp.ClientSession]:
    monkeypatch.chdir(tmp_path)
    settings = Settings(
        _env_file=None,
        port=0,
        token_secret=SECRET,
        database_url=f"sqlite+aiosqlite:///{tmp_path}/rows.sqlite3",
        ice_addresses=("127.0.0.1",),
        log_level="error",
    )
    async with (
        listening(settings, demo=False) as address,
        aiohttp.ClientSession(address, connector=aiohttp.TCPConnector(limit=200)) as http,
    ):
        yield http


def bearer(user_id: int) -> dict[str, str]:
    return {"Authorization": f"Bearer {mint_token(SECRET, Learner(user_id, 1), audience='rtc-server')}"}


async def flood(http: aiohttp.ClientSession, times: int) -> Counter[int]:
    async def post() -> int:
        async with http.post("/whip", data="x", headers=SDP | bearer(666)) as response:
            return response.status

    return Counter(await asyncio.gather(*(post() for _ in range(times))))


async def test_a_flood_of_bad_offers_locks_out_nobody_of_the_same_school(school: aiohttp.ClientSession) -> None:
    """Ten honest learners got 429 on 299 of 300 tries."""
    before = await flood(school, 150)
    flooding = asyncio.create_task(flood(school, 150))
    honest: Counter[int] = Counter()
    for user_id in range(1, 11):
        async with school.post("/whip", data=offer(), headers=SDP | bearer(user_id)) as response:
            honest[response.status] += 1
    during = await flooding

    assert honest == {201: 10}
    assert set(before) == {400, 429}
    assert set(during) <= {400, 429}
    assert before[400] < 30, "the flood is refused before its bodies are read"

"""A whole server, one honest learner, and everything that strangers and rogues do at once, for a few seconds.

Counts, not timings: what the attack costs is measured by `python -m bench hostile`.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import aiohttp
import av
import psutil
import pytest

from rtc_server.app import listening
from rtc_server.learner import Learner
from rtc_server.port_range import PortRange
from rtc_server.publisher.clip_track import ClipTrack
from rtc_server.publisher.encoded_clip import EncodedClip, encode_clip
from rtc_server.publisher.published_learner import PublishedLearner, Update
from rtc_server.settings import Settings
from rtc_server.web.access.auth import mint_token
from tests.camera import portrait
from tests.hostile import rogues, strangers

SECRET = "a secret of this test alone, of more than 32 bytes"
SECONDS = 3.0
MEDIA_PORTS = PortRange(21_100, 21_160)
"""Below the range from which the system gives the learners theirs."""
GROWTH_BYTES = 48 * 2**20
"""More than the caches of the first few peers."""


@pytest.fixture(scope="module")
def clip() -> EncodedClip:
    pictures = [portrait((2.0 * step, 0.0)) for step in range(5)]
    steps = itertools.islice(itertools.cycle([*pictures, *reversed(pictures)]), 30)
    return encode_clip((n / 15, av.VideoFrame.from_ndarray(picture, format="rgb24")) for n, picture in enumerate(steps))


class Honest:
    """A learner who only wants to be seen."""

    def __init__(self, http: aiohttp.ClientSession, url: str, clip: EncodedClip) -> None:
        token = mint_token(SECRET, Learner(1, 1), audience="rtc-server")
        self._news = asyncio.Event()
        self._leaving = asyncio.Event()
        self.learner = PublishedLearner(http, url, token, ClipTrack(clip, loop=True), on_update=self._updated)
        self.running = asyncio.create_task(self.learner.run(self._leaving, asyncio.Semaphore(1)))

    def _updated(self, update: Update) -> None:
        if update.latency_ms is not None:
            self._news.set()

    async def updated(self, times: int = 5) -> None:
        """So many more answers to frames of this learner's."""
        for _ in range(times):
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), 10)

    async def leave(self) -> None:
        self._leaving.set()
        await self.running


@dataclass
class House:
    url: str
    """Of the WHIP endpoint."""
    http: aiohttp.ClientSession
    honest: Honest

    @property
    def base(self) -> str:
        return urljoin(self.url, "/")

    @property
    def server(self) -> strangers.Address:
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port

    @property
    def media(self) -> list[strangers.Address]:
        """Where the server's peers take media."""
        bound = [(c.laddr.ip, c.laddr.port) for c in psutil.Process().net_connections(kind="udp")]
        return [(host, port) for host, port in bound if MEDIA_PORTS.first <= port <= MEDIA_PORTS.last]


@pytest.fixture
async def house(tmp_path, monkeypatch, clip: EncodedClip) -> AsyncIterator[House]:
    monkeypatch.chdir(tmp_path)
    settings = Settings(
        _env_file=None,
        port=0,
        token_secret=SECRET,
        database_url=f"sqlite+aiosqlite:///{tmp_path}/rows.sqlite3",
        ice_addresses=("127.0.0.1",),
        udp_ports=MEDIA_PORTS,
        adaptive=False,
        header_timeout=1.0,
        log_level="error",
    )
    async with listening(settings, demo=False) as address, aiohttp.ClientSession() as http:
        honest = Honest(http, urljoin(address, "/whip"), clip)
        try:
            await honest.updated()
            yield House(urljoin(address, "/whip"), http, honest)
        finally:
            await honest.leave()


async def test_strangers_neither_read_nor_write_nor_end_anything(house: House) -> None:
    resource, session_id = house.honest.learner._resource, house.honest.learner.focus_session_id
    assert resource is not None
    assert session_id is not None
    mine = strangers.requests_without_a_right(resource.url.rpartition("/")[2], session_id)
    nobodys = strangers.requests_without_a_right()

    theirs = [await _answer(house, request) for request in mine]
    others = [await _answer(house, request) for request in nobodys]

    assert {status for status, _ in theirs} <= {401, 404, 405}
    # What exists and what does not are answered alike, to the byte.
    assert theirs == others
    await house.honest.updated()
    assert house.honest.learner.failure is None


async def _answer(house: House, request: strangers.Request) -> tuple[int, bytes]:
    method, path, headers, body = request
    async with house.http.request(method, house.base.rstrip("/") + path, headers=headers, data=body) as response:
        return response.status, await response.read()


async def test_everything_at_once(house: House, clip: EncodedClip) -> None:
    process = psutil.Process()
    assert house.media
    # Once around, so that what is made once is made.
    await _attack(house, clip, 1.0)
    tasks, files, memory = len(asyncio.all_tasks()), _descriptors(process), process.memory_info().rss

    answers = await _attack(house, clip, SECONDS)

    assert not {status for status in answers if status.startswith("5")}
    assert answers["401"] > 20
    await house.honest.updated(10)
    assert house.honest.learner.failure is None
    assert house.honest.learner.end_reason is None
    await _settled(lambda: len(asyncio.all_tasks()) <= tasks, "tasks end")
    await _settled(lambda: _descriptors(process) <= files, "files are closed")
    assert process.memory_info().rss - memory < GROWTH_BYTES


async def _attack(house: House, clip: EncodedClip, seconds: float) -> Counter[str]:
    """All answers over HTTP, counted."""

    def rogue(mischief: rogues.Mischief, user_id: int) -> asyncio.Future[Counter[str]]:
        return asyncio.ensure_future(rogues.Rogue(house.url, SECRET, user_id).run(mischief, seconds))

    requests = strangers.requests_without_a_right()
    answers, *_ = await asyncio.gather(
        strangers.send_requests(house.base, requests, 20, seconds),
        strangers.send_datagrams(house.media, round(500 * seconds), 500),
        strangers.slow_requests(house.server, 10, seconds, bodies=False),
        strangers.slow_requests(house.server, 10, seconds, bodies=True),
        rogues.too_many_frames(house.url, SECRET, 901, clip, 4.0, seconds),
        rogue(rogues.flood_channel(300), 902),
        rogue(rogues.many_ssrcs(300), 903),
        rogue(rogues.jumps(300), 904),
        rogue(rogues.trickle(20), 905),
        rogue(rogues.heartbeats(95), 906),
        rogue(rogues.bundled_records(95), 907),
        rogue(rogues.pauses(5), 908),
        rogue(rogues.reads(10), 909),
    )
    return answers


def _descriptors(process: psutil.Process) -> int:
    """Without those of the database's pools and of the spool, which open when they are first needed and stay."""
    return process.num_fds() - sum(".sqlite3" in file.path for file in process.open_files())


async def _settled(condition, what: str) -> None:
    """Within 20 s: a rogue who breaks off in its offer leaves a peer, which ends at RTC_CONNECT_TIMEOUT (15 s)."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"never happened: {what}")

"""Learners whose tokens are good and whose manners are not."""

import asyncio
import struct
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from urllib.parse import urljoin

import aiohttp
import pylibsrtp
from aiortc import RTCSessionDescription
from aiortc.exceptions import InvalidStateError
from aiortc.rtp import RtpPacket
from google_crc32c import value as crc32c

from rtc_server.learner import Learner
from rtc_server.publisher.clip_track import ClipTrack
from rtc_server.publisher.encoded_clip import EncodedClip
from rtc_server.publisher.published_learner import PublishedLearner
from rtc_server.publisher.whip_client import ServerRefused, WhipResource, delete, post_offer
from rtc_server.web.access.auth import mint_token
from tests.hostile.strangers import FRAGMENT
from tests.peer.learner_client import Camera, LearnerClient

TICK_S = 0.02
CONNECT_WITHIN_S = 10.0
AGAIN_AFTER_S = 1.0

HEARTBEATS_A_PACKET = 290
"""Of four bytes each, with DTLS around them still one datagram."""
RECORDS_A_DATAGRAM = 36
"""Of one byte each, 37 with their headers and tags."""
PAYLOAD = b"\x90\x80\x01\x00x"
"""A VP8 payload that begins a keyframe, and is none."""

Mischief = Callable[["Rogue"], Awaitable[None]]


class Rogue:
    """A connected learner that can be told to misbehave. `run` one mischief, again and again where it is thrown out."""

    def __init__(self, url: str, secret: str, user_id: int) -> None:
        self._url = url
        self._secret = secret
        self._learner = Learner(user_id, 666)
        self.client: LearnerClient
        self.resource: WhipResource
        self.http: aiohttp.ClientSession
        self.done: Counter[str] = Counter()

    @property
    def token(self) -> str:
        return mint_token(self._secret, self._learner, audience="rtc-server")

    async def run(self, mischief: Mischief, seconds: float) -> Counter[str]:
        """What was done, counted."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    try:
                        async with self.connected():
                            await mischief(self)
                            self.done["thrown out"] += 1
                    except (
                        ServerRefused,
                        InvalidStateError,
                        ConnectionError,
                        TimeoutError,
                        aiohttp.ClientError,
                    ) as error:
                        self.done[type(error).__name__] += 1
                    await asyncio.sleep(AGAIN_AFTER_S)
        return self.done

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """In and out again."""
        self.client = client = LearnerClient(Camera(fps=5))
        connected = asyncio.Event()

        @client.pc.on("connectionstatechange")
        def changed() -> None:
            if client.pc.connectionState != "connecting":
                connected.set()

        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as self.http:
            # Told to stop while it gathers, aiortc would lose the sockets that it has just opened.
            gathering = asyncio.ensure_future(client.pc.setLocalDescription(await client.pc.createOffer()))
            try:
                await asyncio.shield(gathering)
                self.resource = await post_offer(self.http, self._url, self.token, client.pc.localDescription.sdp)
                self.done["offers"] += 1
                await client.pc.setRemoteDescription(RTCSessionDescription(self.resource.answer_sdp, "answer"))
                async with asyncio.timeout(CONNECT_WITHIN_S):
                    await connected.wait()
                yield
            finally:
                await gathering
                await client.close()
                if hasattr(self, "resource"):
                    with suppress(ServerRefused):
                        await delete(self.http, self.resource, self.token)

    @property
    def in_the_room(self) -> bool:
        return self.client.pc.connectionState == "connected"

    async def send_rtp(self, packet: RtpPacket) -> None:
        with suppress(pylibsrtp.Error):  # the sender's own library refuses what is too old
            await self.client.pc.getSenders()[0].transport._send_rtp(packet.serialize())
            self.done["packets"] += 1


def flood_channel(per_second: int) -> Mischief:
    """Messages on both channels, some too long, some no JSON, some fine, and new channels."""

    async def flood(rogue: Rogue) -> None:
        messages = ['{"type": "pause"}', "x" * 16_000, '{"type": "resume"}', b"\xff\xfe", "[" * 500]
        count = 0
        while rogue.in_the_room:
            for _ in range(max(1, round(per_second * TICK_S))):
                count += 1
                control = rogue.client.control
                assert control is not None
                channel = rogue.client.focus if count % 2 else control
                if channel.readyState == "open" and channel.bufferedAmount < 200_000:
                    channel.send(messages[count % len(messages)])
                    rogue.done["messages"] += 1
            await asyncio.sleep(TICK_S)

    return flood


def many_ssrcs(per_second: int) -> Mischief:
    """Every packet of another of 300 streams."""

    async def send(rogue: Rogue) -> None:
        count = 0
        while rogue.in_the_room:
            for _ in range(max(1, round(per_second * TICK_S))):
                count += 1
                await rogue.send_rtp(
                    RtpPacket(payload_type=97, sequence_number=count & 0xFFFF, ssrc=count % 300, payload=PAYLOAD)
                )
            await asyncio.sleep(TICK_S)

    return send


def jumps(per_second: int) -> Mischief:
    """The camera's own stream, half of all numbers ahead at each packet."""

    async def send(rogue: Rogue) -> None:
        ssrc, count = rogue.client.pc.getSenders()[0]._ssrc, 0
        rogue.client.camera.running.clear()
        while rogue.in_the_room:
            for _ in range(max(1, round(per_second * TICK_S))):
                count += 1
                packet = RtpPacket(payload_type=97, marker=1, timestamp=count * 9, ssrc=ssrc, payload=PAYLOAD)
                packet.sequence_number = (count * 32_767) & 0xFFFF
                await rogue.send_rtp(packet)
            await asyncio.sleep(TICK_S)

    return send


def trickle(per_second: int) -> Mischief:
    """Candidates without end, and restarts."""

    async def send(rogue: Rogue) -> None:
        fragments = [
            b"a=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n",
            b"a=ice-ufrag:zzzz\r\na=ice-pwd:" + b"z" * 24 + b"\r\n",
            b"hello",
            b"a=x\r\n" * 6000,
        ]
        headers = {"Content-Type": FRAGMENT, "If-Match": "*", "Authorization": f"Bearer {rogue.token}"}
        count = 0
        while rogue.in_the_room:
            body = fragments[count % len(fragments)]
            count += 1
            async with rogue.http.patch(rogue.resource.url, data=body, headers=headers) as response:
                rogue.done[f"trickle {response.status}"] += 1
            await asyncio.sleep(1 / per_second)

    return send


def heartbeats(per_second: int) -> Mischief:
    """SCTP packets that are full of HEARTBEAT chunks (RFC 9260, 3.3.5), each of which asks for an answer."""
    heartbeat = struct.pack("!BBH", 4, 0, 4)

    async def send(rogue: Rogue) -> None:
        sctp = rogue.client.pc.sctp
        assert sctp is not None
        header = struct.pack("!HHL", sctp._local_port, sctp._remote_port, sctp._remote_verification_tag)
        packet = header + bytes(4) + heartbeat * HEARTBEATS_A_PACKET
        packet = header + struct.pack("<L", crc32c(packet)) + packet[12:]
        while rogue.in_the_room:
            for _ in range(max(1, round(per_second * TICK_S))):
                await sctp.transport._send_data(packet)
                rogue.done["heartbeats"] += HEARTBEATS_A_PACKET
            await asyncio.sleep(TICK_S)

    return send


def bundled_records(per_second: int) -> Mischief:
    """Datagrams of as many DTLS records as fit (RFC 9147, 4.3), each with one byte that is no SCTP."""

    async def send(rogue: Rogue) -> None:
        assert rogue.client.pc.sctp is not None
        dtls = rogue.client.pc.sctp.transport
        while rogue.in_the_room:
            for _ in range(max(1, round(per_second * TICK_S))):
                for _ in range(RECORDS_A_DATAGRAM):
                    dtls._ssl.send(b"x")
                await dtls.transport._send(dtls._ssl.bio_read(1500))
                rogue.done["records"] += RECORDS_A_DATAGRAM
            await asyncio.sleep(TICK_S)

    return send


def pauses(per_second: float) -> Mischief:
    """A pause and its end as often as messages are heard: each makes a span."""

    async def send(rogue: Rogue) -> None:
        control = rogue.client.control
        assert control is not None
        while rogue.in_the_room:
            for message in ('{"type": "pause"}', '{"type": "resume"}'):
                if control.readyState == "open":
                    control.send(message)
                    rogue.done["pauses and resumes"] += 1
                await asyncio.sleep(1 / per_second)

    return send


def reads(at_once: int) -> Mischief:
    """Its own stored session, asked for again and again by so many requests at once."""

    async def read(rogue: Rogue, url: str) -> None:
        headers = {"Authorization": f"Bearer {rogue.token}"}
        while rogue.in_the_room:
            async with rogue.http.get(url, headers=headers) as response:
                await response.read()
                rogue.done[f"read {response.status}"] += 1
                if response.status == 429:
                    await asyncio.sleep(TICK_S)

    async def send(rogue: Rogue) -> None:
        session_id = (await rogue.client.told("tracking_started"))["focus_session_id"]
        url = urljoin(rogue.resource.url, f"/focus-sessions/{session_id}")
        await asyncio.gather(*(read(rogue, url) for _ in range(at_once)))

    return send


async def offer_without_end(url: str, secret: str, user_id: int, seconds: float, per_second: float) -> Counter[str]:
    """A good token, an offer that is good, and nobody who ever connects."""
    statuses: Counter[str] = Counter()
    client = LearnerClient()
    ends = asyncio.get_running_loop().time() + seconds
    try:
        await client.pc.setLocalDescription(await client.pc.createOffer())
        sdp = client.pc.localDescription.sdp
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as http:
            while asyncio.get_running_loop().time() < ends:
                token = mint_token(secret, Learner(user_id, 1 + statuses.total() % 5), audience="rtc-server")
                headers = {"Content-Type": "application/sdp", "Authorization": f"Bearer {token}"}
                try:
                    async with http.post(url, data=sdp, headers=headers) as response:
                        statuses[str(response.status)] += 1
                except aiohttp.ClientError as error:  # it was shown the door
                    statuses[type(error).__name__] += 1
                await asyncio.sleep(1 / per_second)
    finally:
        await client.close()
    return statuses


async def too_many_frames(
    url: str, secret: str, user_id: int, clip: EncodedClip, faster: float, seconds: float
) -> Counter[str]:
    """The clip, many times as fast as a camera."""
    hurried = EncodedClip(
        tuple(replace(picture, time_s=picture.time_s / faster) for picture in clip.pictures),
        clip.duration_s / faster,
        clip.width,
        clip.height,
    )
    leaving = asyncio.Event()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as http:
        token = mint_token(secret, Learner(user_id, 666), audience="rtc-server")
        learner = PublishedLearner(http, url, token, ClipTrack(hurried, loop=True))
        running = asyncio.create_task(learner.run(leaving, asyncio.Semaphore(1)))
        await asyncio.wait([running], timeout=seconds)
        leaving.set()
        await running
    return Counter(frames=learner.track.frames_sent, updates=learner.updates)

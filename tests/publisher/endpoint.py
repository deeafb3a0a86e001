"""A WHIP endpoint that takes what is published and answers each frame with an update, and judges nothing."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.codecs.vpx import VpxPayloadDescriptor


@dataclass
class Endpoint:
    url: str = ""
    refusal: web.Response | None = None
    answer: str | None = None
    """In the place of a true one."""
    tokens: list[str] = field(default_factory=list)
    deleted: int = 0
    said: list[str] = field(default_factory=list)
    frames: int = 0
    layers: list[tuple[int, int] | None] = field(default_factory=list)
    """TID and Y of each packet; None where it says nothing of them."""
    frames_came: asyncio.Event = field(default_factory=asyncio.Event)
    peers: list[RTCPeerConnection] = field(default_factory=list)
    ends_with: str | None = None
    """Reason of a `tracking_stopped` sent after the tenth frame."""


@asynccontextmanager
async def serving() -> AsyncIterator[Endpoint]:
    endpoint = Endpoint()
    application = web.Application()
    application.add_routes(
        [
            web.post("/whip", partial(_offered, endpoint)),
            web.delete("/whip/{index:[0-9]+}", partial(_deleted, endpoint)),
        ]
    )
    async with TestServer(application) as server:
        endpoint.url = str(server.make_url("/whip"))
        try:
            yield endpoint
        finally:
            for peer in endpoint.peers:
                await peer.close()


async def _offered(endpoint: Endpoint, request: web.Request) -> web.Response:
    endpoint.tokens.append(request.headers["Authorization"])
    if endpoint.refusal is not None:
        return endpoint.refusal
    headers = {"Location": f"/whip/{len(endpoint.peers)}"}
    if endpoint.answer is not None:
        return web.Response(status=201, text=endpoint.answer, headers=headers, content_type="application/sdp")
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    endpoint.peers.append(peer)
    channels: dict[str, RTCDataChannel] = {}

    def take_channel(channel: RTCDataChannel) -> None:
        channels[channel.label] = channel
        if channel.label == "control":
            channel.send(json.dumps({"type": "tracking_started", "focus_session_id": "one"}))
            channel.on("message", lambda text: _told(endpoint, channel, text))

    peer.on("datachannel", take_channel)
    await peer.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
    _answer_frames(endpoint, peer, channels)
    await peer.setLocalDescription(await peer.createAnswer())
    return web.Response(status=201, text=peer.localDescription.sdp, headers=headers, content_type="application/sdp")


def _answer_frames(endpoint: Endpoint, peer: RTCPeerConnection, channels: dict[str, RTCDataChannel]) -> None:
    (receiver,) = peer.getReceivers()
    handle = receiver._handle_rtp_packet

    async def handle_and_answer(packet: Any, arrival_time_ms: int) -> None:
        await handle(packet, arrival_time_ms=arrival_time_ms)
        endpoint.layers.append(VpxPayloadDescriptor.parse(packet.payload)[0].tid)
        if packet.marker and "focus" in channels:
            endpoint.frames += 1
            endpoint.frames_came.set()
            update = {"type": "tracking_update", "rtp_timestamp": packet.timestamp, "state": "focused"}
            channels["focus"].send(json.dumps(update | {"reason": "on_screen", "metrics": _metrics(endpoint)}))
            if endpoint.frames == 10 and endpoint.ends_with is not None:
                _stop(endpoint, channels["control"], endpoint.ends_with)

    receiver._handle_rtp_packet = handle_and_answer


def _told(endpoint: Endpoint, channel: RTCDataChannel, text: str) -> None:
    endpoint.said.append(json.loads(text)["type"])
    _stop(endpoint, channel, "stopped")


def _stop(endpoint: Endpoint, channel: RTCDataChannel, reason: str) -> None:
    channel.send(json.dumps({"type": "tracking_stopped", "reason": reason, "metrics": _metrics(endpoint)}))


def _metrics(endpoint: Endpoint) -> dict[str, float]:
    seconds = endpoint.frames / 15
    return {
        "focused_time": seconds,
        "unfocused_time": 0.0,
        "unknown_time": 0.0,
        "total_time": seconds,
        "focus_percentage": 100.0,
    }


async def _deleted(endpoint: Endpoint, request: web.Request) -> web.Response:
    endpoint.deleted += 1
    with suppress(IndexError):
        await endpoint.peers[int(request.match_info["index"])].close()
    return web.Response()

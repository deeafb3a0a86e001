"""aiortc as its own server example uses it: `recv()`, work on the picture, send. Behind WHIP, for our client.

Run with a port.
"""

import asyncio
import json
import sys

from aiohttp import web
from aiortc import MediaStreamTrack, RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

from bench.rivals.judging import Judge
from bench.rivals.rtp_time import keep_rtp_timestamps

peers: dict[str, RTCPeerConnection] = {}
tasks: set["asyncio.Task[None]"] = set()


async def offered(request: web.Request) -> web.Response:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    name = str(len(peers))
    peers[name] = peer
    channels: dict[str, RTCDataChannel] = {}

    @peer.on("datachannel")
    def opened(channel: RTCDataChannel) -> None:
        channels[channel.label] = channel

    @peer.on("track")
    def added(track: MediaStreamTrack) -> None:
        task = asyncio.ensure_future(judge(track, channels))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    await peer.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
    await peer.setLocalDescription(await peer.createAnswer())
    return web.Response(
        status=201,
        text=peer.localDescription.sdp,
        content_type="application/sdp",
        headers={"Location": f"/whip/{name}"},
    )


async def judge(track: MediaStreamTrack, channels: dict[str, RTCDataChannel]) -> None:
    judge = Judge()
    try:
        while True:
            frame = await track.recv()
            update = judge.update(frame.to_ndarray(format="rgb24"))
            if "focus" in channels:
                channels["focus"].send(json.dumps(update | {"rtp_timestamp": frame.pts}))
    except MediaStreamError:
        return


async def deleted(request: web.Request) -> web.Response:
    await peers[request.match_info["name"]].close()
    return web.Response()


if __name__ == "__main__":
    keep_rtp_timestamps()
    application = web.Application()
    application.add_routes([web.post("/whip", offered), web.delete("/whip/{name}", deleted)])
    web.run_app(application, host="127.0.0.1", port=int(sys.argv[1]), print=None)

"""fastrtc as its documentation uses it for video analysed on the server (`mode="send"`). Behind WHIP, for our client.

Run with a port.
"""

import inspect
import json
import sys
import uuid
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastrtc import Stream, get_current_context
from fastrtc.utils import current_channel
from numpy.typing import NDArray

from bench.rivals.judging import Judge
from bench.rivals.rtp_time import keep_rtp_timestamps

judges: dict[str, Judge] = {}


def judge(bgr: "NDArray[Any]") -> None:
    name = get_current_context().webrtc_id
    if name not in judges:
        judges[name] = Judge()
    update = judges[name].update(bgr[:, :, ::-1].copy())
    channel = current_channel.get()
    if channel is not None:
        channel.send(json.dumps(update | {"rtp_timestamp": _rtp_timestamp()}))


def _rtp_timestamp() -> int:
    """fastrtc knows which frame it hands to the handler and does not say; to measure it, look over its shoulder."""
    caller: FrameType | None = inspect.currentframe()
    while caller is not None:
        frame = caller.f_locals.get("frame")
        if hasattr(frame, "pts"):
            return int(frame.pts)
        caller = caller.f_back
    return 0


stream = Stream(judge, modality="video", mode="send", concurrency_limit=1000)
application = FastAPI()


@application.post("/whip")
async def offered(request: Request) -> Response:
    name = uuid.uuid4().hex
    offer = {"sdp": (await request.body()).decode(), "type": "offer", "webrtc_id": name}
    answer = await stream.handle_offer(offer, set_outputs=stream.set_additional_outputs(name))
    stream.set_input(name, None)
    return Response(answer["sdp"], 201, {"Location": f"/whip/{name}"}, "application/sdp")


@application.delete("/whip/{name}")
async def deleted(name: str) -> Response:
    await stream.pcs[name].close()
    judges.pop(name, None)
    return Response()


if __name__ == "__main__":
    keep_rtp_timestamps()
    uvicorn.run(application, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")

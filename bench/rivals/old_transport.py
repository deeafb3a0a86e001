"""The transport that is being replaced, rebuilt: base64 JPEGs over Socket.IO to Flask, as both are published.

Run with a port.
"""

import base64
import sys
from typing import Any

import cv2
import numpy as np
from flask import Flask, request
from flask_socketio import SocketIO, emit

from bench.rivals.judging import Judge

application = Flask(__name__)
# A learner's frames one after the other: the same FaceMesh in two threads at once ends the process.
sockets = SocketIO(
    application,
    async_mode="threading",
    async_handlers=False,
    cors_allowed_origins="*",
    max_http_buffer_size=1_000_000,
)
judges: dict[str, Judge] = {}


@application.get("/")
def ready() -> str:
    return "ready"


@sockets.on("connect")
def connected() -> None:
    judges[request.sid] = Judge()


@sockets.on("disconnect")
def disconnected(_reason: str | None = None) -> None:
    judges.pop(request.sid, None)


@sockets.on("video_frame")
def frame(data: dict[str, Any]) -> None:
    jpeg = base64.b64decode(data["image"].partition(",")[2])
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    update = judges[request.sid].update(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
    emit("tracking_update", update | {"frame": data["frame"]})


if __name__ == "__main__":
    sockets.run(application, host="127.0.0.1", port=int(sys.argv[1]), allow_unsafe_werkzeug=True)

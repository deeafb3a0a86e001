"""WebRTC clients that are neither browsers nor aiortc, each as a process of its own: connected, seen, and in a row."""

import asyncio
import base64
import json
import sqlite3
from pathlib import Path

import pytest

from rtc_server.frame import Codec
from rtc_server.learner import Learner
from rtc_server.web.access.auth import mint_token
from tests.camera import portrait, write_y4m
from tests.e2e.server_process import running_server
from tests.media.pictures import sent

HERE = Path(__file__).parent
SECRET = "of these tests alone, and thirty-two bytes"
SECONDS = 3.0
SYSTEM_PYTHON = "/usr/bin/python3"
"""Debian's, for which its GStreamer has bindings."""


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_y4m(tmp_path_factory.mktemp("camera") / "face.y4m", 2 * SECONDS)


async def published(
    tmp_path: Path, program: str, script: str, *arguments: str | Path
) -> tuple[int, float, dict[str, float]]:
    """How many updates a client had, for how many seconds it filmed, and what `session_data` of its row says."""
    database = tmp_path / "rows.sqlite3"
    settings = {"RTC_DATABASE_URL": f"sqlite+aiosqlite:///{database}", "RTC_TOKEN_SECRET": SECRET}
    async with running_server(**settings) as server:
        token = mint_token(SECRET, Learner(7, 3), audience="rtc-server", ttl_s=600)
        client = await asyncio.create_subprocess_exec(
            *(program, HERE / script, f"{server.url}whip", token, *arguments, str(SECONDS)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, complaints = await asyncio.wait_for(client.communicate(), 40)
        assert client.returncode == 0, complaints.decode()
    with sqlite3.connect(database) as rows:
        ((user, module, total, focused, unfocused, data),) = rows.execute(
            "SELECT user_id, module_id, total_time_seconds, focused_time_seconds, unfocused_time_seconds, session_data"
            " FROM eye_tracking_sessions"
        )
    assert (user, module) == (7, 3)
    assert focused + unfocused == total
    updates, filmed_s = said.split()
    return int(updates), float(filmed_s), json.loads(data)


def assert_seen(updates: int, filmed_s: float, stored: dict[str, float]) -> None:
    assert updates > 5 * SECONDS
    known = stored["focused_time"] + stored["unfocused_time"] + stored["unknown_time"]
    # What a client filmed before it was connected it may send as well, or drop. Where its first keyframe is lost on a
    # busy machine, the next comes two thirds of a second later.
    assert SECONDS - 1.0 < known < filmed_s + 0.3
    assert stored["focused_time"] > 0.5 * known


@pytest.mark.parametrize("codec", ["vp8", "h264"])
async def test_gstreamer_is_seen_and_its_row_is_right(tmp_path: Path, camera: Path, codec: Codec) -> None:
    """Its certificate is RSA."""
    assert_seen(*await published(tmp_path, SYSTEM_PYTHON, "gstreamer_whip_sender.py", codec, camera))


def encoded(folder: Path, codec: Codec) -> Path:
    """A face that sways a little, and begins with a keyframe, as often as its file is played again."""
    moves = [(2.0 * step, 0.0) for step in (0, 1, 2, 3, 4, 5, 4, 3, 2, 1)]
    frames = sent([portrait(moved) for moved in moves], codec)
    path = folder / "frames"
    path.write_bytes(b"\n".join(base64.b64encode(frame.data) for frame in frames))
    return path


@pytest.mark.parametrize("codec", ["vp8", "h264"])
async def test_libdatachannel_is_seen_and_its_row_is_right(tmp_path: Path, codec: Codec) -> None:
    assert_seen(*await published(tmp_path, "node", "../node/whip_sender.mjs", codec, encoded(tmp_path, codec)))

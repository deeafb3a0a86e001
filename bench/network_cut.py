"""Learners behind a network that is cut for a while: a network namespace of their own, and a cable to it."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.processes import SECRET

HERE, THERE = "10.203.77.1", "10.203.77.2"
BEFORE_S, AFTER_S, LONG_AFTER_S = 4.0, 8.0, 40.0
LONG_CUT_S = 30.0
"""After so long without a network a learner tries less often."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What the learners were told last, each as `rtc-server publish --json` has it."""

    learners: list[dict[str, Any]]
    passed_s: float


class Cable:
    """To a network namespace. `address` is this end's."""

    address = HERE

    def __init__(self) -> None:
        self._space, self._end = f"rtc-bench-{os.getpid()}", f"rtcb{os.getpid() % 100000}"

    @contextmanager
    def laid(self) -> Iterator["Cable"]:
        """Needs root. Nothing of it is left afterwards."""
        _ip("netns", "add", self._space)
        try:
            _ip("link", "add", self._end, "type", "veth", "peer", "name", "there", "netns", self._space)
            _ip("addr", "add", f"{HERE}/30", "dev", self._end)
            _ip("link", "set", self._end, "up")
            for command in (("addr", "add", f"{THERE}/30", "dev", "there"), ("link", "set", "there", "up")):
                _ip("-n", self._space, *command)
            yield self
        finally:
            _ip("netns", "del", self._space)  # and with it both ends of the cable

    async def learners(self, url: str, clip: Path, count: int, cut_s: float) -> Cut:
        """So many learners send the clip; after a while nothing passes for `cut_s` seconds."""
        seconds = BEFORE_S + cut_s + (LONG_AFTER_S if cut_s > LONG_CUT_S else AFTER_S)
        loop = asyncio.get_running_loop()
        began = loop.time()
        publishers = await asyncio.create_subprocess_exec(
            *("ip", "netns", "exec", self._space, sys.executable, "-m", "rtc_server", "publish", str(clip), "--loop"),
            *("--url", url, "--sessions", str(count), "--duration", str(seconds), "--reconnect", "--json"),
            env={**os.environ, "RTC_TOKEN_SECRET": SECRET},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            await asyncio.sleep(BEFORE_S)
            _ip("link", "set", self._end, "down")
            await asyncio.sleep(cut_s)
            _ip("link", "set", self._end, "up")
            output, _ = await asyncio.wait_for(publishers.communicate(), seconds + 60.0)
        finally:
            if publishers.returncode is None:
                publishers.kill()
                await publishers.wait()
        return Cut(json.loads(output)["learners"], loop.time() - began)


@contextmanager
def clip_file(pictures: Iterator[Any]) -> Iterator[Path]:
    """The pictures (time in s, frame) as a file."""
    import av

    with tempfile.TemporaryDirectory(prefix="rtc-faults-") as folder:
        path = Path(folder) / "clip.mp4"
        with av.open(str(path), "w") as file:
            stream = file.add_stream("libx264", rate=15, options={"preset": "ultrafast", "crf": "18"})
            stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
            for _, frame in pictures:
                file.mux(stream.encode(frame.reformat(format="yuv420p")))
            file.mux(stream.encode())
        yield path


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)

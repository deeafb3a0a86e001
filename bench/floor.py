"""`floor`: what cannot be left out. One process, one loop: decode VP8, convert, FaceMesh.

Run as a program it measures itself, on whatever core it was pinned to: each line it reads says for how many seconds
and how far apart samples are to be, each it prints is what was found, as JSON.
"""

import argparse
import asyncio
import itertools
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from av.video.reformatter import VideoReformatter

from bench.figures import spread
from bench.processes import ROOT, cores
from bench.report import Report
from bench.run import Run
from rtc_server.publisher.encoded_clip import EncodedClip

SAMPLE_EVERY_S, SAMPLE_FRAMES = 1.0, 5
COLD_FRAMES = 3
"""At a sample's beginning, that do not count: what came between has taken the caches, and no loop finds them so."""
WARM_UP_S = 1.0
FACE_MESH, OUR_LANDMARKER = "FaceMesh", "our landmarker"


async def floor(run: Run) -> Report:
    """CPU milliseconds a frame, with the stock FaceMesh and with the landmarker this server uses."""
    measured: dict[str, list[dict[str, float]]] = {FACE_MESH: [], OUR_LANDMARKER: []}
    for _ in range(run.runs):
        for name, found in measured.items():
            async with floor_process(run.clip, name) as process:
                found.append(await process.measure(run.seconds))
    rows = [
        {
            "landmarker": name,
            **{stage: spread([one[stage] for one in found]).median for stage in found[0]},
            "least_ms": spread([one["floor_ms"] for one in found]).least,
            "most_ms": spread([one["floor_ms"] for one in found]).most,
        }
        for name, found in measured.items()
    ]
    return Report(
        "floor",
        "One process, one loop: VP8 decode, conversion to RGB and landmarks, and nothing else. "
        "CPU milliseconds a frame of 640x480 at most; the lowest that any server of this job could cost.",
        rows,
    )


class FloorProcess:
    """The loop in a process of its own, on the server's core, ready to be run."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def measure(self, seconds: float, *, sampled: bool = False) -> dict[str, float]:
        """CPU milliseconds a frame by stage, of one loop without a pause.

        sampled: of a few frames every second instead, while something else is measured on the same core. A shared
        machine is half as fast again in one minute as in the next, so that only a floor of the same seconds says
        what a server could have cost in them.
        """
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{seconds} {SAMPLE_EVERY_S if sampled else 0.0}\n".encode())
        return dict(json.loads(await self._process.stdout.readline()))


@asynccontextmanager
async def floor_process(clip: EncodedClip, landmarker: str) -> AsyncIterator[FloorProcess]:
    with tempfile.NamedTemporaryFile(suffix=".clip") as file:
        pickle.dump(clip, file)
        file.flush()
        command = [shutil.which("taskset") or "taskset", "-c", str(cores()[0]), sys.executable, "-m", "bench.floor"]
        process = await asyncio.create_subprocess_exec(
            *command,
            *(file.name, landmarker),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            floor = FloorProcess(process)
            await floor.measure(WARM_UP_S)
            yield floor
        finally:
            process.terminate()
            await process.wait()


@dataclass(frozen=True, slots=True)
class Stages:
    """From a decoded frame to landmarks."""

    convert: Callable[[av.VideoFrame], Any]
    landmarks: Callable[[Any], object]


class _Loop:
    """Decodes the clip in a circle, and times each stage."""

    def __init__(self, clip: EncodedClip, stages: Stages) -> None:
        self._pictures = itertools.cycle(clip.pictures)
        self._stages = stages
        self._decoder = av.CodecContext.create("vp8", "r")
        self._decoder.thread_count = 1

    def measure(self, seconds: float, every_s: float) -> dict[str, float]:
        """Mean CPU milliseconds a frame; of `SAMPLE_FRAMES` each `every_s` seconds, or of all where that is 0."""
        spent = [0.0, 0.0, 0.0]
        frames = 0
        began = time.monotonic()
        for sample in itertools.count(1):
            if every_s:
                for _ in range(COLD_FRAMES):
                    self._step()
            for _ in range(SAMPLE_FRAMES):
                spent = [sum(pair) for pair in zip(spent, self._step(), strict=True)]
                frames += 1
            if time.monotonic() - began >= seconds:
                break
            time.sleep(max(0.0, began + sample * every_s - time.monotonic()))
        decode_ms, convert_ms, landmarks_ms = (1000 * stage / frames for stage in spent)
        return {
            "decode_ms": decode_ms,
            "convert_ms": convert_ms,
            "landmarks_ms": landmarks_ms,
            "floor_ms": decode_ms + convert_ms + landmarks_ms,
        }

    def _step(self) -> tuple[float, float, float]:
        """Seconds of CPU of each stage of the next frame."""
        begun = time.process_time()
        (frame,) = self._decoder.decode(av.Packet(next(self._pictures).data))
        decoded = time.process_time()
        converted = self._stages.convert(frame)
        ready = time.process_time()
        self._stages.landmarks(converted)
        return decoded - begun, ready - decoded, time.process_time() - ready


def stock_face_mesh() -> Callable[[Any], object]:
    """MediaPipe's own solution, as anybody would use it for one stream."""
    from mediapipe.python.solutions.face_mesh import FaceMesh

    mesh = FaceMesh(refine_landmarks=True)
    process: Callable[[Any], object] = mesh.process
    return process


def _stock() -> Stages:
    to_rgb = VideoReformatter()
    return Stages(lambda frame: to_rgb.reformat(frame, format="rgb24", threads=1).to_ndarray(), stock_face_mesh())


def _ours() -> Stages:
    """One face followed from picture to picture, found anew when it is lost: what FaceMesh does."""
    from rtc_server.media.face_landmarker import FaceLandmarker
    from rtc_server.media.picture import Picture

    landmarker = FaceLandmarker()
    region = None

    def landmarks(picture: Picture) -> object:
        nonlocal region
        if region is None:
            region = next(iter(landmarker.find(picture)), None)
        face = None if region is None else landmarker.mesh(picture, region)
        region = None if face is None else face.region
        return face

    return Stages(Picture, landmarks)


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("clip", type=Path)
    parser.add_argument("landmarker", choices=[FACE_MESH, OUR_LANDMARKER])
    arguments = parser.parse_args()
    clip = pickle.loads(arguments.clip.read_bytes())
    loop = _Loop(clip, _stock() if arguments.landmarker == FACE_MESH else _ours())
    # A sample is not to be taken apart by what it stands beside.
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    for line in sys.stdin:
        seconds, every_s = map(float, line.split())
        print(json.dumps(loop.measure(seconds, every_s)), flush=True)


if __name__ == "__main__":
    _main()

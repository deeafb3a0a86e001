"""`floor`: what cannot be left out. One process, one loop: decode VP8, convert, FaceMesh.

Run as a program it measures itself, on whatever core it was pinned to, and prints JSON.
"""

import argparse
import asyncio
import json
import pickle
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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

BUSY_PERIOD_S = 0.010
FACE_MESH, OUR_LANDMARKER = "FaceMesh", "our landmarker"


async def floor(run: Run) -> Report:
    """CPU milliseconds a frame, with the stock FaceMesh and with the landmarker this server uses."""
    measured: dict[str, list[dict[str, float]]] = {FACE_MESH: [], OUR_LANDMARKER: []}
    for _ in range(run.runs):
        for name, found in measured.items():
            found.append(await measure_floor(run.clip, name, run.seconds))
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


async def measure_floor(clip: EncodedClip, landmarker: str, seconds: float, *, beside: float = 0.0) -> dict[str, float]:
    """CPU milliseconds a frame by stage, on the server's core.

    `beside`: how busy to keep the load's core meanwhile, 0 to 1. Two cores often are two threads of one, and then
    a floor that was measured with the other one idle is lower than any server under load could reach.
    """
    with _busy(beside), tempfile.NamedTemporaryFile(suffix=".clip") as file:
        pickle.dump(clip, file)
        file.flush()
        command = [shutil.which("taskset") or "taskset", "-c", str(cores()[0]), sys.executable, "-m", "bench.floor"]
        process = await asyncio.create_subprocess_exec(
            *command, file.name, landmarker, str(seconds), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        out, _ = await process.communicate()
    return dict(json.loads(out))


@contextmanager
def _busy(share: float) -> Iterator[None]:
    """This process works for `share` of each hundredth of a second."""
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            begun = time.monotonic()
            while time.monotonic() < begun + share * BUSY_PERIOD_S:
                pass
            done.wait(max(0.0, begun + BUSY_PERIOD_S - time.monotonic()))

    worker = threading.Thread(target=work, name="busy")
    worker.start()
    try:
        yield
    finally:
        done.set()
        worker.join()


@dataclass(frozen=True, slots=True)
class Stages:
    """From a decoded frame to landmarks."""

    convert: Callable[[av.VideoFrame], Any]
    landmarks: Callable[[Any], object]


def _loop(clip: EncodedClip, stages: Stages, seconds: float) -> dict[str, float]:
    decoder = av.CodecContext.create("vp8", "r")
    decoder.thread_count = 1
    spent = [0.0, 0.0, 0.0]
    frames = 0
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        for picture in clip.pictures:
            begun = time.process_time()
            (frame,) = decoder.decode(av.Packet(picture.data))
            decoded = time.process_time()
            converted_frame = stages.convert(frame)
            converted = time.process_time()
            stages.landmarks(converted_frame)
            done = time.process_time()
            for index, stage in enumerate((decoded - begun, converted - decoded, done - converted)):
                spent[index] += stage
            frames += 1
    decode_ms, convert_ms, landmarks_ms = (1000 * stage / frames for stage in spent)
    return {
        "decode_ms": decode_ms,
        "convert_ms": convert_ms,
        "landmarks_ms": landmarks_ms,
        "floor_ms": decode_ms + convert_ms + landmarks_ms,
    }


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
    parser.add_argument("seconds", type=float)
    arguments = parser.parse_args()
    clip = pickle.loads(arguments.clip.read_bytes())
    stages = _stock() if arguments.landmarker == FACE_MESH else _ours()
    _loop(clip, stages, min(1.0, arguments.seconds))
    print(json.dumps(_loop(clip, stages, arguments.seconds)))


if __name__ == "__main__":
    _main()

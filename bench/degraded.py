"""A clip's observations after its pictures went through worse conditions: small, or through VP8."""

from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
from av.video.reformatter import VideoReformatter

from rtc_server.focus.observation import FaceObservation
from rtc_server.media.clip import Clip
from rtc_server.media.frame_observer import FrameObserver
from rtc_server.media.landmarker_pool import LandmarkerPool

Timed = Iterator[tuple[float, av.VideoFrame]]


def degraded_observations(
    path: Path, fps: float, size: tuple[int, int] | None, bit_rate: int | None
) -> Iterator[FaceObservation]:
    """As `observe_clip`, through a smaller picture and a codec where asked for."""
    with closing(LandmarkerPool()) as pool, Clip(path) as clip:
        observer = FrameObserver(pool)
        frames = clip.frames(fps)
        if size:
            frames = _shrunk(frames, size)
        if bit_rate:
            frames = _through_vp8(frames, fps, bit_rate)
        for time_s, frame in frames:
            observation = observer.observe(frame, time_s)
            if observation is not None:
                yield observation


def _shrunk(frames: Timed, size: tuple[int, int]) -> Timed:
    """Fitted into the size, whichever way up the picture is."""
    reformatter = VideoReformatter()
    long_side, short_side = max(size), min(size)
    for time_s, frame in frames:
        scale = min(long_side / max(frame.width, frame.height), short_side / min(frame.width, frame.height), 1.0)
        width, height = (round(side * scale / 2) * 2 for side in (frame.width, frame.height))
        yield time_s, reformatter.reformat(frame, width, height, "yuv420p", interpolation="AREA")


def _through_vp8(frames: Timed, fps: float, bit_rate: int) -> Timed:
    """As a browser would: real-time, one pass, constant bit rate, one keyframe at the start."""
    encoder: av.VideoCodecContext | None = None
    decoder = av.CodecContext.create("vp8", "r")
    for number, (time_s, frame) in enumerate(frames):
        if encoder is None:
            encoder = av.CodecContext.create("libvpx", "w")
            encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "yuv420p"
            encoder.time_base, encoder.framerate = Fraction(1, 90000), Fraction(round(fps * 1000), 1000)
            encoder.bit_rate = bit_rate
            encoder.thread_count = 1
            encoder.options = {
                "deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "g": "3000", "error-resilient": "1",
                "minrate": str(bit_rate), "maxrate": str(bit_rate), "bufsize": str(bit_rate // 2),
            }  # fmt: skip
        frame.pts, frame.time_base = round(time_s * 90000), Fraction(1, 90000)
        frame.pict_type = av.video.frame.PictureType.I if number == 0 else av.video.frame.PictureType.NONE
        for packet in encoder.encode(frame):
            for decoded in decoder.decode(packet):
                yield time_s, decoded

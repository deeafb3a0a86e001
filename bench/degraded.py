"""A clip judged after its pictures went through worse conditions: small, through VP8, or looked at less often."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.video.reformatter import VideoReformatter

from rtc_server.analysis.pace import AnalysisPace
from rtc_server.focus.observation import FaceObservation
from rtc_server.focus.policy import Policy
from rtc_server.focus.state import FocusSnapshot
from rtc_server.focus.tracker import FocusTracker
from rtc_server.media.clip import Clip
from rtc_server.media.frame_observer import FrameObserver
from rtc_server.media.landmarker_pool import LandmarkerPool
from rtc_server.offline.analysis import Analysis

Timed = Iterator[tuple[float, av.VideoFrame]]


@dataclass(frozen=True, slots=True)
class Conditions:
    fps: float
    size: tuple[int, int] | None = None
    """Shrunk to fit into it."""
    bit_rate: int | None = None
    """Of VP8, in bit/s."""
    adaptive: bool = False
    """Still pictures may be skipped, as a server does by default."""

    @property
    def name(self) -> str:
        """For a file name."""
        size = "full" if self.size is None else "{}x{}".format(*self.size)
        return f"{self.fps:g}fps-{size}-{self.bit_rate or 'raw'}"


def analyse_degraded(path: Path, conditions: Conditions, policy: Policy) -> Analysis:
    """As `analysis.analyse`, of every picture: what is said at one that was skipped is what was said before it.

    A picture that may wait does so for the next one, as in `analysis.pool.Lane`.
    """
    tracker, pace = FocusTracker(policy), AnalysisPace(conditions.adaptive)
    snapshots: list[FocusSnapshot] = []
    waiting: list[float] = []
    with closing(LandmarkerPool()) as pool, Clip(path) as clip:
        observer = FrameObserver(pool)
        for time_s, frame in degraded(clip, conditions):
            waiting.append(time_s)
            seen = None
            if not pace.may_wait(time_s):
                may_skip = True
                for one in waiting:
                    may_skip = may_skip and pace.may_skip(one)
                    pace.received(one)
                waiting.clear()
                seen = observer.observe(frame, time_s, skip_if_still=may_skip)
            if isinstance(seen, FaceObservation):
                snapshots.append(tracker.observe(seen))
                pace.told(snapshots[-1], looked=True)
            elif seen is not None and pace.news_is_due(time_s):
                snapshots.append(tracker.still(time_s))
                pace.told(snapshots[-1], looked=False)
            else:
                snapshots.append(snapshots[-1]._replace(media_time_s=time_s))
    totals = tracker.finish().totals
    return Analysis(policy, tuple(snapshots), tracker.spans(), tracker.multiple_faces_spans(), totals)


def degraded(clip: Clip, conditions: Conditions) -> Timed:
    """The clip's pictures under these conditions, each with its time in seconds."""
    frames = clip.frames(conditions.fps)
    if conditions.size:
        frames = _shrunk(frames, conditions.size)
    if conditions.bit_rate:
        frames = _through_vp8(frames, conditions.fps, conditions.bit_rate)
    return frames


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

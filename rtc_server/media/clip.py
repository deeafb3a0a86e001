"""Reads video files as a camera would send them: upright, in YUV 4:2:0, each picture with its time."""

from collections.abc import Iterator
from contextlib import closing
from math import ceil
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from rtc_server.errors import ClipUnreadable
from rtc_server.focus.observation import FaceObservation
from rtc_server.media.frame_observer import FrameObserver
from rtc_server.media.landmarker_pool import LandmarkerPool


class Clip:
    """An open video file of any format that FFmpeg reads (mp4, mov, mkv, gif). It can be read once."""

    def __init__(self, path: Path) -> None:
        """Raises ClipUnreadable if there is no such file, or if it is not a video."""
        self._path = path
        try:
            self._container = av.open(str(path))
        except FileNotFoundError:
            raise ClipUnreadable(f"There is no file {path}.") from None
        except (av.FFmpegError, OSError, ValueError):
            raise ClipUnreadable(f"{path} is not a video that can be read.") from None
        if not self._container.streams.video:
            self._container.close()
            raise ClipUnreadable(f"{path} contains no video.")
        self._stream = self._container.streams.video[0]
        self._stream.thread_count = 1
        self._to_yuv = VideoReformatter()

    @property
    def duration_s(self) -> float:
        """Length from the file's header; 0 if it has none."""
        if self._stream.duration is not None and self._stream.time_base is not None:
            return float(self._stream.duration * self._stream.time_base)
        return (self._container.duration or 0) / av.time_base

    def frame_count(self, fps: float) -> int:
        """Roughly how many frames `frames(fps)` gives: good enough for a progress bar only."""
        own = self._stream.average_rate
        return ceil(self.duration_s * min(fps, float(own) if own else fps))

    def frames(self, fps: float) -> Iterator[tuple[float, av.VideoFrame]]:
        """At most `fps` frames a second on average, each with its time in seconds from the first one.

        A file with a lower rate gives all the frames that it has; none is added.

        Raises ClipUnreadable if the file has no picture, or is damaged further on.
        """
        start_s: float | None = None
        last_s, due_s = -1.0, 0.0
        try:
            for frame in self._container.decode(self._stream):
                own_s = frame.time if frame.time is not None else last_s + 1 / fps + (start_s or 0.0)
                start_s = own_s if start_s is None else start_s
                time_s = own_s - start_s
                # A frame may be early by a quarter of an interval: the times of a camera at exactly this rate vary.
                if time_s <= last_s or time_s < due_s - 0.25 / fps:
                    continue
                last_s, due_s = time_s, max(due_s + 1 / fps, time_s + 0.5 / fps)
                yield time_s, self._upright(frame)
        except (av.FFmpegError, OSError, ValueError):
            raise ClipUnreadable(f"{self._path} is damaged after {max(last_s, 0.0):.1f} s.") from None
        if start_s is None:
            raise ClipUnreadable(f"{self._path} contains no picture.")

    def _upright(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Turn a picture upright. Phones store how far to turn it (degrees, counter-clockwise) in the file."""
        quarter_turns = round(frame.rotation / 90) % 4
        width, height = frame.width & ~1, frame.height & ~1
        if frame.format.name != "yuv420p" or (width, height) != (frame.width, frame.height):
            frame = self._to_yuv.reformat(frame, width, height, "yuv420p", threads=1)
        if not quarter_turns:
            return frame
        stacked: NDArray[Any] = frame.to_ndarray().reshape(-1)
        chroma = width // 2, height // 2
        planes, start = [], 0
        for columns, rows in ((width, height), chroma, chroma):
            plane = stacked[start : start + rows * columns].reshape(rows, columns)
            planes.append(np.rot90(plane, quarter_turns).ravel())
            start += rows * columns
        upright_width = height if quarter_turns % 2 else width
        return av.VideoFrame.from_ndarray(np.concatenate(planes).reshape(-1, upright_width), format="yuv420p")

    def close(self) -> None:
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def observe_clip(path: Path, fps: float) -> Iterator[FaceObservation]:
    """The observations of this clip's frames, as a live learner's analyser would make them.

    Raises ClipUnreadable, as `Clip` does.
    """
    with closing(LandmarkerPool()) as pool, Clip(path) as clip:
        observer = FrameObserver(pool)
        for time_s, frame in clip.frames(fps):
            seen = observer.observe(frame, time_s)
            if isinstance(seen, FaceObservation):
                yield seen

"""A video file's pictures, upright."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from rtc_server.errors import ClipUnreadable
from rtc_server.publisher.encoded_clip import ClipFrame


def read_clip(path: Path) -> Iterator[ClipFrame]:
    """Raises `ClipUnreadable` where the file is missing, is no video, or holds no picture."""
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise ClipUnreadable(f"{path} holds no video.")
            stream = container.streams.video[0]
            stream.thread_count = 1
            empty = True
            for frame in container.decode(stream):
                empty = False
                yield ClipFrame(_upright(frame), frame.time or 0.0)
            if empty:
                raise ClipUnreadable(f"{path} holds no picture.")
    except FileNotFoundError:
        raise ClipUnreadable(f"There is no file {path}.") from None
    except (av.FFmpegError, OSError, UnicodeError):
        raise ClipUnreadable(f"{path} is not a video that can be read.") from None


def _upright(frame: av.VideoFrame) -> av.VideoFrame:
    """Applies the rotation that the file carries as metadata (degrees, counter-clockwise)."""
    quarter_turns = round(frame.rotation / 90) % 4
    if quarter_turns == 0:
        return frame
    pixels = np.rot90(frame.to_ndarray(format="rgb24"), quarter_turns)
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels, dtype=np.uint8), format="rgb24")

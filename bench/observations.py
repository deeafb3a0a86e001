"""What a clip's pictures show, seen once and kept in a folder: judging again takes a hundredth of the time."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from bench.degraded import Conditions, degraded
from rtc_server.focus.observation import FaceObservation
from rtc_server.media.clip import Clip
from rtc_server.media.frame_observer import FrameObserver
from rtc_server.media.landmarker_pool import LandmarkerPool
from rtc_server.offline.observation_file import read, written


def observations(path: Path, conditions: Conditions, folder: Path | None) -> tuple[FaceObservation, ...]:
    """Of every picture of a clip under these conditions. `folder` keeps them, without pixels; None keeps nothing."""
    if folder is None:
        return tuple(_observed(path, conditions))
    kept = folder / f"{conditions.name}-{path.parent.name}-{path.name}.ndjson"
    if kept.exists():
        return tuple(read(kept))
    unfinished = kept.with_suffix(".unfinished")
    seen = tuple(written(_observed(path, conditions), unfinished))
    unfinished.rename(kept)
    return seen


def _observed(path: Path, conditions: Conditions) -> Iterator[FaceObservation]:
    with closing(LandmarkerPool()) as pool, Clip(path) as clip:
        observer = FrameObserver(pool)
        for time_s, frame in degraded(clip, conditions):
            seen = observer.observe(frame, time_s)
            if isinstance(seen, FaceObservation):
                yield seen

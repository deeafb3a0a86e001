"""The landmarkers of this process. Learners share them; each is used by one thread at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rtc_server.media.face_landmarker import FaceLandmarker


class LandmarkerPool:
    """Makes landmarkers when they are needed: at most one for each thread that analyses at the same moment."""

    def __init__(self) -> None:
        self._idle: list[FaceLandmarker] = []
        self._lock = threading.Lock()
        self._closed = False

    def warm_up(self, count: int) -> None:
        """Make `count` landmarkers now. Takes about 0.2 s each: never call it on the event loop."""
        made = [FaceLandmarker() for _ in range(count)]
        with self._lock:
            self._idle.extend(made)

    @contextmanager
    def borrow(self) -> Iterator[FaceLandmarker]:
        """Lend the landmarker used last: its weights are still in the processor's cache. One that fails is not kept."""
        with self._lock:
            landmarker = self._idle.pop() if self._idle else None
        landmarker = landmarker or FaceLandmarker()
        try:
            yield landmarker
        except BaseException:
            landmarker.close()
            raise
        with self._lock:
            keep = not self._closed
            if keep:
                self._idle.append(landmarker)
        if not keep:
            landmarker.close()

    def close(self) -> None:
        """Close all landmarkers. Those in use are closed when they are returned."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for landmarker in idle:
            landmarker.close()

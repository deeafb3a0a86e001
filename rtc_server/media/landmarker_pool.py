"""The landmarkers of this process: learners share them, threads do not."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rtc_server.media.face_landmarker import FaceLandmarker


class LandmarkerPool:
    """As many landmarkers as there are threads analysing at once, made when first needed."""

    def __init__(self) -> None:
        self._idle: list[FaceLandmarker] = []
        self._lock = threading.Lock()
        self._closed = False

    def warm_up(self, count: int) -> None:
        """Make `count` landmarkers now; about 0.2 s each, so never on the event loop."""
        made = [FaceLandmarker() for _ in range(count)]
        with self._lock:
            self._idle.extend(made)

    @contextmanager
    def borrow(self) -> Iterator[FaceLandmarker]:
        """The one used last, whose weights are still in the processor's cache. One that failed is not kept."""
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
        """Those on loan are closed when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for landmarker in idle:
            landmarker.close()

"""Encoded frames in, what the newest of them showed out: all that a peer sees of pixels."""

from collections.abc import Sequence

from rtc_server.focus.observation import FaceObservation
from rtc_server.frame import Codec, EncodedFrame
from rtc_server.media.decoder import Decoder
from rtc_server.media.frame_observer import FrameObserver
from rtc_server.media.landmarker_pool import LandmarkerPool


class FrameAnalyser:
    """One peer's. Its methods run on an analysis thread, one call at a time, never on the event loop."""

    def __init__(self, codec: Codec, pool: LandmarkerPool) -> None:
        self._decoder = Decoder(codec)
        self._observer = FrameObserver(pool)

    def analyse(self, frames: Sequence[EncodedFrame], *, skip_if_still: bool = False) -> FaceObservation | None:
        """Decode all of `frames`, in order, and observe the newest that can be shown.

        Decoding cannot be left out, since each frame builds on the one before; analysing can. With
        `skip_if_still` a picture that hardly differs from the one last analysed is not analysed again
        (a tenth of a millisecond instead of a mesh). Who asks decides how old an answer may be: give
        `skip_if_still=True` while the state is stable and the last observation is younger than 0.2 s,
        and False otherwise; the first observation that comes back in between says that things move.

        None: none of the frames was meant to be shown, or the newest one was skipped as still.

        :raises DecodeFailed: nothing can be decoded until a keyframe comes; ask the sender for one.
            Frames before the broken one are lost with it.
        """
        newest = None
        for encoded in frames:
            shown = self._decoder.decode(encoded)
            if shown is not None:
                newest = shown, encoded.media_time_s
        if newest is None:
            return None
        return self._observer.observe(*newest, skip_if_still=skip_if_still)

    def close(self) -> None:
        self._decoder.close()


class FrameAnalyserFactory:
    """Makes a peer's analyser. All of them share the landmarkers: one for each thread that analyses."""

    def __init__(self, pool: LandmarkerPool | None = None) -> None:
        self._pool = pool or LandmarkerPool()

    def warm_up(self, threads: int) -> None:
        """Load the models for so many analysis threads, off the event loop, before the first learner comes."""
        self._pool.warm_up(threads)

    def __call__(self, codec: Codec) -> FrameAnalyser:
        return FrameAnalyser(codec, self._pool)

    def close(self) -> None:
        self._pool.close()

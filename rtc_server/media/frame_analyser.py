"""Decodes a peer's encoded frames and observes the newest one. A peer never sees pixels itself."""

import time
from collections.abc import Sequence

from rtc_server.focus.observation import FaceObservation, Seen
from rtc_server.frame import Codec, EncodedFrame
from rtc_server.media.decoder import Decoder
from rtc_server.media.frame_observer import FrameObserver
from rtc_server.media.landmarker_pool import LandmarkerPool
from rtc_server.media.look_counts import LookCounts
from rtc_server.media.temporal_layers import TemporalLayers


class FrameAnalyser:
    """One for each peer. Its methods run on an analysis thread, one call at a time, never on the event loop."""

    def __init__(self, codec: Codec, pool: LandmarkerPool, counts: LookCounts | None = None) -> None:
        self._decoder = Decoder(codec)
        self._layers = TemporalLayers()
        self._observer = FrameObserver(pool)
        self._counts = counts or LookCounts()

    def analyse(self, frames: Sequence[EncodedFrame], *, skip_if_still: bool = False) -> Seen | None:
        """Decode of `frames`, in order, what the newest builds on, and observe the newest that can be shown.

        Every frame of the base layer must be decoded, because the next one builds on it, but not every picture must
        be analysed. With `skip_if_still` a picture that hardly differs from the one last analysed is skipped,
        which takes a tenth of a millisecond. The caller decides how old the last observation may be: pass
        True while the state is stable and the last observation is younger than 0.6 s, else False.

        Returns None if none of the frames is meant to be shown.

        Raises DecodeFailed if a frame cannot be decoded. The frames before it are lost too, and nothing can be
        decoded until a keyframe comes: ask the sender for one.
        """
        newest, shown_frames = None, 0
        observation: Seen | None = None
        needed = self._layers.to_decode(frames)
        for encoded in needed:
            began = time.perf_counter()
            shown = self._decoder.decode(encoded)
            self._counts.decode_s.observe(time.perf_counter() - began)
            if shown is not None:
                newest = shown, encoded.media_time_s
                shown_frames += 1
        if newest is not None:
            began = time.perf_counter()
            observation = self._observer.observe(*newest, skip_if_still=skip_if_still)
            if isinstance(observation, FaceObservation):
                self._counts.analysis_s.observe(time.perf_counter() - began)
            else:
                self._counts.skipped.add("still")
            self._counts.skipped.add("newer", shown_frames - 1)
        self._counts.skipped.add("hidden", len(needed) - shown_frames)
        self._counts.skipped.add("upper_layer", len(frames) - len(needed))
        return observation

    def close(self) -> None:
        self._decoder.close()


class FrameAnalyserFactory:
    """Makes the analyser of each peer. All of them share the landmarkers: one for each analysis thread."""

    def __init__(self, pool: LandmarkerPool | None = None) -> None:
        self._pool = pool or LandmarkerPool()
        self.counts = LookCounts()

    def warm_up(self, threads: int) -> None:
        """Load the models for this number of analysis threads. Call it off the event loop, before the first learner."""
        self._pool.warm_up(threads)

    def __call__(self, codec: Codec) -> FrameAnalyser:
        return FrameAnalyser(codec, self._pool, self.counts)

    def close(self) -> None:
        self._pool.close()

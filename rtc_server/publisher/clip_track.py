"""The camera of a published learner: gives a clip's encoded pictures at their times."""

import asyncio
import time
from collections.abc import Iterator
from fractions import Fraction

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from rtc_server.publisher.encoded_clip import CLOCK_RATE, FRAMES_PER_S, EncodedClip, EncodedPicture, Vp8Encoder

KEYFRAMES_APART_S = 0.3
"""A request so soon after a keyframe is ignored, as browsers do: the two crossed on the way."""


class ClipTrack(MediaStreamTrack):
    """All tracks of a clip share its encoded pictures, except the answers to keyframe requests."""

    kind = "video"

    def __init__(
        self, clip: EncodedClip, *, duration_s: float | None = None, loop: bool = False, phase_s: float | None = None
    ) -> None:
        """`duration_s` ends the track early; with `loop` the clip starts again from its first picture.

        phase_s: see `next_in_phase`; without it the first picture is due at once.
        """
        super().__init__()
        self.frames_sent = 0
        self.finished = asyncio.Event()
        self._clip = clip
        self._layered = clip.layered
        self._schedule = _schedule(clip, duration_s, loop)
        self._phase_s = phase_s
        self._started: float | None = None
        self._keyframe_wanted = False
        self._last_keyframe_s = 0.0
        self._next = 0
        """Index of the next picture to give."""
        self._detour: _Detour | None = None
        self._detour_coming: asyncio.Task[_Detour] | None = None

    def request_keyframe(self) -> None:
        """The receiver asks for a keyframe (PLI, FIR)."""
        self._keyframe_wanted = True
        if self.readyState != "live" or self._detour is not None or self._detour_coming is not None:
            return
        if not self._clip.pictures[self._next].keyframe:
            # Encoding takes a while, so begin before the next picture is due, as a camera's encoder would.
            self._detour_coming = asyncio.create_task(asyncio.to_thread(_Detour, self._clip, self._next))

    async def recv(self) -> "av.Packet[av.stream.Stream]":
        """The next picture, at its time. Ends as a track does, by `MediaStreamError`."""
        index, due_s = next(self._schedule, (-1, 0.0))
        if self.readyState != "live" or index < 0:
            self.stop()
            raise MediaStreamError
        self._next = index
        if self._started is None:
            now = time.monotonic()
            self._started = now if self._phase_s is None else next_in_phase(self._phase_s, now)
        await asyncio.sleep(self._started + due_s - time.monotonic())
        picture = await self._picture(index, due_s)
        packet = av.Packet(picture.data)
        if self._layered:
            packet.opaque = picture.layer
        self._next = (index + 1) % len(self._clip.pictures)
        packet.pts = round(due_s * CLOCK_RATE)
        packet.time_base = Fraction(1, CLOCK_RATE)
        self.frames_sent += 1
        return packet

    def stop(self) -> None:
        super().stop()
        self._end_detour()
        self.finished.set()

    async def _picture(self, index: int, due_s: float) -> EncodedPicture:
        picture = self._clip.pictures[index]
        if picture.keyframe:
            self._end_detour()
            self._keyframe_wanted = False
            self._last_keyframe_s = due_s
            return picture
        keyframe = self._keyframe_wanted and due_s - self._last_keyframe_s >= KEYFRAMES_APART_S
        if keyframe:
            self._keyframe_wanted = False
            self._last_keyframe_s = due_s
            if self._detour is None and self._detour_coming is not None:
                self._detour = await self._detour_coming
                self._detour_coming = None
        if self._detour is None:
            return picture
        return await asyncio.to_thread(self._detour.encode, index, keyframe)

    def _end_detour(self) -> None:
        if self._detour_coming is not None:
            self._detour_coming.cancel()
        self._detour = self._detour_coming = None


def next_in_phase(phase_s: float, now: float) -> float:
    """The next moment that lies `phase_s` after a whole number of frames' times on the clock of `now`.

    Senders that start at such moments keep their distance, whenever each of them came.
    """
    return now + (phase_s - now) % (1 / FRAMES_PER_S)


class _Detour:
    """The clip's pictures, encoded for one receiver: from the keyframe it asked for to the clip's own next one."""

    def __init__(self, clip: EncodedClip, index: int) -> None:
        self._clip = clip
        self._decoder = av.CodecContext.create("vp8", "r")
        self._decoder.thread_count = 1
        self._encoder = Vp8Encoder(clip.width, clip.height, layered=clip.layered)
        self._decoded = clip.keyframe_before(index)
        """Index of the picture to decode next."""
        self._decode_before(index)

    def encode(self, index: int, keyframe: bool) -> EncodedPicture:
        """Picture `index`, which grows from call to call."""
        self._decode_before(index)
        picture = self._clip.pictures[index]
        (decoded,) = self._decoder.decode(av.Packet(picture.data))
        self._decoded += 1
        return self._encoder.encode(decoded, picture.time_s, keyframe=keyframe)

    def _decode_before(self, index: int) -> None:
        for earlier in self._clip.pictures[self._decoded : index]:
            self._decoder.decode(av.Packet(earlier.data))
        self._decoded = index


def _schedule(clip: EncodedClip, duration_s: float | None, loop: bool) -> Iterator[tuple[int, float]]:
    """Index of each picture to send, and its time from the start."""
    round_starts_s = 0.0
    while clip.pictures:
        for index, picture in enumerate(clip.pictures):
            due_s = round_starts_s + picture.time_s
            if duration_s is not None and due_s >= duration_s:
                return
            yield index, due_s
        if not loop:
            return
        round_starts_s += clip.duration_s

"""A clip encoded once, as VP8 at a webcam's size and rate, so that many learners can send the same pictures."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

import av

from rtc_server.frame import BASE_LAYER, TemporalLayer

CLOCK_RATE = 90_000
MAX_WIDTH, MAX_HEIGHT = 640, 480
FRAMES_PER_S = 15.0
BITS_PER_S = 250_000
KEYFRAME_EVERY_S = 4.0
_UPPER_LAYER = TemporalLayer(1, synchronised=True)


@dataclass(frozen=True, slots=True)
class EncodedPicture:
    data: bytes
    time_s: float
    """Time of capture, from the clip's start."""
    keyframe: bool
    layer: TemporalLayer = BASE_LAYER


@dataclass(frozen=True, slots=True)
class EncodedClip:
    """It starts with a keyframe, so it can be sent again from the start at any time."""

    pictures: tuple[EncodedPicture, ...]
    duration_s: float
    """End of the last picture; a repetition starts here."""
    width: int
    height: int

    @property
    def layered(self) -> bool:
        """Whether some of its pictures can be left out."""
        return any(picture.layer.index > 0 for picture in self.pictures)

    def keyframe_before(self, index: int) -> int:
        """Index of the last keyframe at or before picture `index`."""
        while not self.pictures[index].keyframe:
            index -= 1
        return index


class Vp8Encoder:
    """libvpx, set as a browser does for a camera: real time, constant bitrate, no picture held back."""

    def __init__(self, width: int, height: int, bits_per_s: int = BITS_PER_S, *, layered: bool = False) -> None:
        """layered: nothing builds on every other picture (`L1T2`)."""
        self._layered = layered
        self._since_keyframe = 0
        self._context = av.CodecContext.create("libvpx", "w")
        assert isinstance(self._context, av.VideoCodecContext)
        self._context.width, self._context.height = width, height
        self._context.pix_fmt = "yuv420p"
        self._context.time_base = Fraction(1, CLOCK_RATE)
        self._context.framerate = Fraction(int(FRAMES_PER_S), 1)
        self._context.bit_rate = bits_per_s
        self._context.gop_size = 3000
        self._context.qmin, self._context.qmax = 2, 56
        self._context.thread_count = 1
        rate = str(bits_per_s)
        self._context.options = {
            "bufsize": rate,
            "minrate": rate,
            "maxrate": rate,
            "cpu-used": "-6",
            "deadline": "realtime",
            "lag-in-frames": "0",
            "undershoot-pct": "100",
            "overshoot-pct": "15",
        }
        if layered:
            # Three fifths of the bitrate are the base layer's, as browsers have it. Without error resilience, the
            # base layer's entropy coding would build on the upper one's.
            self._context.options |= {
                "error-resilient": "default",
                "ts-parameters": "ts_number_layers=2:ts_periodicity=2:ts_layer_id=0,1:ts_rate_decimator=2,1:"
                f"ts_target_bitrate={bits_per_s * 3 // 5000},{bits_per_s // 1000}:ts_layering_mode=2",
            }

    def encode(self, picture: av.VideoFrame, time_s: float, *, keyframe: bool) -> EncodedPicture:
        """One VP8 frame. `time_s` grows from call to call."""
        # The encoder begins its pattern anew with each keyframe.
        self._since_keyframe = 0 if keyframe else self._since_keyframe + 1
        upper = self._layered and self._since_keyframe % 2 == 1
        picture.pts = round(time_s * CLOCK_RATE)
        picture.time_base = Fraction(1, CLOCK_RATE)
        picture.pict_type = av.video.frame.PictureType.I if keyframe else av.video.frame.PictureType.NONE
        data = b"".join(bytes(packet) for packet in self._context.encode(picture))
        return EncodedPicture(data, time_s, keyframe, _UPPER_LAYER if upper else BASE_LAYER)


def encode_clip(
    frames: Iterable[tuple[float, av.VideoFrame]],
    *,
    bits_per_s: int = BITS_PER_S,
    layered: bool = False,
    until_s: float | None = None,
    on_picture: Callable[[], object] = lambda: None,
) -> EncodedClip:
    """Encodes upright pictures, each with its time from the first one, at 640x480 (480x640 if taller than wide).

    Their times are kept. layered: see Vp8Encoder. `on_picture` is called after each one.
    """
    encoder: Vp8Encoder | None = None
    size = (0, 0)
    pictures: list[EncodedPicture] = []
    next_keyframe_s = 0.0
    for time_s, frame in frames:
        if until_s is not None and time_s >= until_s:
            break
        if encoder is None:
            size = fitted(frame.width, frame.height)
            encoder = Vp8Encoder(*size, bits_per_s, layered=layered)
        keyframe = time_s >= next_keyframe_s
        if keyframe:
            next_keyframe_s = time_s + KEYFRAME_EVERY_S
        picture = frame.reformat(*size, format="yuv420p")
        pictures.append(encoder.encode(picture, time_s, keyframe=keyframe))
        on_picture()
    return EncodedClip(tuple(pictures), _duration_s(pictures), *size)


def fitted(width: int, height: int) -> tuple[int, int]:
    """The largest even size of the same shape that fits into a camera's picture; never larger than the original."""
    most = (MAX_WIDTH, MAX_HEIGHT) if width >= height else (MAX_HEIGHT, MAX_WIDTH)
    scale = min(1.0, most[0] / width, most[1] / height)
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def _duration_s(pictures: list[EncodedPicture]) -> float:
    if not pictures:
        return 0.0
    usual_gap_s = pictures[-1].time_s / (len(pictures) - 1) if len(pictures) > 1 else 1 / FRAMES_PER_S
    return pictures[-1].time_s + usual_gap_s

"""One peer's video decoder: bounded before it allocates, one thread, and never in an unknown state."""

from typing import Final

import av
from av.video.codeccontext import VideoCodecContext

from rtc_server.errors import DecodeFailed
from rtc_server.frame import Codec, EncodedFrame

MAX_PIXELS: Final = 1920 * 1088
"""1080p in whole macroblocks. A larger picture is refused from its header, before any memory is taken for it."""

_DECODERS: Final[dict[Codec, str]] = {
    "vp8": "vp8",  # FFmpeg's own: libvpx allocates first and asks later
    "h264": "h264",
}

_NAL_UNIT_START: Final = b"\x00\x00\x01"
_PARAMETER_SET: Final = 7
"""The type of the NAL unit that says what a decoder needs (H.264, table 7-1)."""
_BASELINE: Final = 66
"""Its `profile_idc` (H.264, A.2.1). It knows one pixel format: 4:2:0 with 8 bits."""


class Decoder:
    """Turns access units into frames. After a failure only a keyframe is taken."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._context: VideoCodecContext | None = None

    def decode(self, frame: EncodedFrame) -> av.VideoFrame | None:
        """None: it is not meant to be shown (VP8's hidden reference frames).

        :raises DecodeFailed: it is damaged, too large, of another profile than was negotiated, or follows such a
            frame; ask for a keyframe.
        """
        if self._codec == "h264" and not _is_baseline(frame.data):
            self.close()
            raise DecodeFailed("The video is H.264 of another profile than the baseline one that was negotiated.")
        if self._context is None:
            if not frame.keyframe:
                raise DecodeFailed("The video cannot be decoded before its next keyframe.")
            self._context = _context(self._codec)
        try:
            shown = self._context.decode(av.Packet(frame.data))
        except Exception as error:  # whatever foreign code makes of foreign bytes
            self.close()
            raise DecodeFailed("The video is damaged or too large.") from error
        return shown[-1] if shown else None

    def close(self) -> None:
        """Frees the context. The decoder can be used again, from a keyframe on."""
        self._context = None


def _is_baseline(access_unit: bytes) -> bool:
    """Whether all sequence parameter sets of an access unit are baseline's (H.264, 7.3.2.1.1).

    Read before the decoder sees them, which takes memory for whatever they announce: 200 MB for 1080p in 4:4:4.
    """
    position = access_unit.find(_NAL_UNIT_START)
    while position >= 0:
        kind, profile = access_unit[position + 3 : position + 4], access_unit[position + 4 : position + 5]
        if kind and kind[0] & 0x1F == _PARAMETER_SET and profile != bytes((_BASELINE,)):
            return False
        position = access_unit.find(_NAL_UNIT_START, position + 3)
    return True


def _context(codec: Codec) -> VideoCodecContext:
    context = av.CodecContext.create(_DECODERS[codec], "r")
    assert isinstance(context, VideoCodecContext)
    context.thread_count = 1
    # low_delay: H.264 comes out with the access unit that completes it, not one later.
    context.options = {"max_pixels": str(MAX_PIXELS), "flags": "low_delay"}
    return context

"""FFmpeg's WHIP muxer, out of PyAV's wheel, as a process of its own: URL, token, certificate, key, seconds.

It blocks while it connects, and it must not share OpenSSL with a server that is tested.
"""

import fractions
import sys
import time

import av

from tests.camera import FRAMES_PER_SECOND, HEIGHT, WIDTH, portrait


def main(url: str, token: str, certificate: str, key: str, seconds: float) -> None:
    options = {"authorization": token, "cert_file": certificate, "key_file": key}
    with av.open(url, "w", format="whip", options=options) as whip:
        stream = whip.add_stream(
            "libx264",
            rate=FRAMES_PER_SECOND,
            options={"profile": "baseline", "preset": "ultrafast", "tune": "zerolatency", "g": "30"},
        )
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        whip.start_encoding()
        started = time.monotonic()
        for number in range(round(seconds * FRAMES_PER_SECOND)):
            time.sleep(max(0.0, started + number / FRAMES_PER_SECOND - time.monotonic()))
            frame = av.VideoFrame.from_ndarray(portrait((number % 7, number % 5)), format="rgb24")
            frame.pts, frame.time_base = number, fractions.Fraction(1, FRAMES_PER_SECOND)
            whip.mux(stream.encode(frame.reformat(format="yuv420p")))
        whip.mux(stream.encode(None))


if __name__ == "__main__":
    main(*sys.argv[1:5], seconds=float(sys.argv[5]))

from pathlib import Path

import av
import numpy as np
import pytest

from rtc_server.errors import ClipUnreadable
from rtc_server.publisher import clip_reader
from rtc_server.publisher.clip_reader import read_clip
from tests.publisher.clips import write_video


def test_reads_every_picture_and_its_time(tmp_path: Path) -> None:
    frames = list(read_clip(write_video(tmp_path / "bars.mp4", 1.0, 10)))

    assert [frame.time_s for frame in frames] == pytest.approx([index / 10 for index in range(10)])
    assert (frames[0].picture.width, frames[0].picture.height) == (320, 240)


@pytest.mark.parametrize(("degrees", "corner"), [(0, (0, 0)), (-90, (0, 1)), (90, (2, 0)), (180, (1, 2))])
def test_a_picture_is_turned_upright(degrees: int, corner: tuple[int, int]) -> None:
    """Degrees are counter-clockwise: -90 takes the left upper corner to the right upper one."""

    class Held:
        rotation = degrees

        def to_ndarray(self, format: str) -> np.ndarray:  # noqa: A002
            pixels = np.zeros((2, 3, 3), np.uint8)
            pixels[0, 0] = 255
            return pixels

    held = Held()
    turned = clip_reader._upright(held)

    pixels = turned.to_ndarray(format="rgb24")
    assert pixels[corner].min() == 255
    assert pixels.sum() == 255 * 3


@pytest.mark.parametrize("content", [None, b"", b"user,time\n1,2\n", bytes(range(256)) * 50])
def test_what_is_no_video_is_said_in_one_line(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "clip.mp4"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ClipUnreadable) as raised:
        list(read_clip(path))

    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        silence.rate = 8000
        container.mux(stream.encode(silence))
        container.mux(stream.encode())

    with pytest.raises(ClipUnreadable, match="holds no video"):
        list(read_clip(path))

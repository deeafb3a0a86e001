"""Video files as people have them: turned, of varying rate, animated, broken."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from rtc_server.errors import ClipUnreadable
from rtc_server.frame import EncodedFrame
from rtc_server.media.clip import Clip, observe_clip
from rtc_server.media.frame_analyser import FrameAnalyserFactory
from tests.media.pictures import Rgb, people, yuv

CODECS = {".mp4": "libx264", ".mov": "libx264", ".mkv": "libvpx", ".gif": "gif"}
SITTING = [people((left, 100)) for left in range(100, 200, 5)]


def write(path: Path, pictures: Sequence[Rgb], times_ms: Sequence[int]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(CODECS[path.suffix], rate=100 if path.suffix == ".gif" else 1000)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.options = {"deadline": "realtime", "cpu-used": "8"} if path.suffix == ".mkv" else {}
        stream.pix_fmt = "rgb8" if path.suffix == ".gif" else "yuv420p"
        for picture, time_ms in zip(pictures, times_ms, strict=True):
            frame = yuv(picture).reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def every(milliseconds: int, count: int = len(SITTING)) -> list[int]:
    return [index * milliseconds for index in range(count)]


def turn_by_90(path: Path) -> Path:
    """The display matrix a phone writes, in the track header of an mp4 (ISO 14496-12, 8.3.2)."""
    content = bytearray(path.read_bytes())
    matrix_at = content.index(b"tkhd") + 44
    one, minus_one, last = 0x10000, 0xFFFF0000, 0x40000000
    content[matrix_at : matrix_at + 36] = b"".join(
        value.to_bytes(4, "big") for value in (0, one, 0, minus_one, 0, 0, 0, 0, last)
    )
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("suffix", sorted(CODECS))
def test_a_face_is_observed_in_every_kind_of_file(tmp_path, suffix):
    path = write(tmp_path / f"clip{suffix}", SITTING, every(100))
    observations = list(observe_clip(path, fps=15))
    assert [len(observation.faces) for observation in observations] == [1] * len(SITTING)
    assert [observation.media_time_s for observation in observations] == pytest.approx([t / 1000 for t in every(100)])


def test_a_turned_clip_is_set_upright(tmp_path):
    lying = [np.rot90(picture) for picture in SITTING]
    path = turn_by_90(write(tmp_path / "phone.mp4", lying, every(100)))
    with Clip(path) as clip:
        upright = next(clip.frames(15))[1].to_ndarray(format="rgb24").astype(int)
    assert upright.shape == SITTING[0].shape
    assert np.abs(upright - SITTING[0]).mean() < 8


def test_times_are_the_files_own_and_thinned_to_the_wanted_rate(tmp_path):
    times = [0, 20, 40, 60, 400, 420, 1000, 1010, 1020, 1150]
    path = write(tmp_path / "varying.mkv", SITTING[: len(times)], times)
    with Clip(path) as clip:
        kept = [round(time_s * 1000) for time_s, _ in clip.frames(15)]
    assert kept == [0, 60, 400, 420, 1000, 1020, 1150]


def test_a_camera_at_just_the_wanted_rate_loses_nothing_though_it_trembles(tmp_path):
    times = [round(index * 1000 / 15) + (-7, 0, 9)[index % 3] * (index > 0) for index in range(len(SITTING))]
    path = write(tmp_path / "clip.mp4", SITTING, times)
    with Clip(path) as clip:
        assert len(list(clip.frames(15))) == len(SITTING)


def test_thirty_a_second_become_fifteen(tmp_path):
    path = write(tmp_path / "clip.mp4", SITTING, [round(index * 1000 / 30) for index in range(len(SITTING))])
    with Clip(path) as clip:
        assert len(list(clip.frames(15))) == len(SITTING) / 2


def test_length_and_count_are_known_beforehand(tmp_path):
    path = write(tmp_path / "clip.mp4", SITTING, every(100))
    with Clip(path) as clip:
        assert clip.duration_s == pytest.approx(2.0, abs=0.1)
        assert clip.frame_count(fps=5) == pytest.approx(10, abs=1)


def test_a_clip_shows_what_the_same_bytes_show_live(tmp_path, pool):
    path = write(tmp_path / "clip.mkv", SITTING, every(67))
    with av.open(str(path)) as container:
        frames = [
            EncodedFrame(bytes(packet), packet.is_keyframe, 0, packet.pts / 1000, 0.0)
            for packet in container.demux(video=0)
            if packet.size
        ]
    analyser = FrameAnalyserFactory(pool)("vp8")
    live = [analyser.analyse([encoded]) for encoded in frames]
    offline = list(observe_clip(path, fps=15))
    assert len(live) == len(offline)
    for one, other in zip(live, offline, strict=True):
        assert np.array_equal(one.faces[0].points, other.faces[0].points)
        assert one.quality == other.quality


@pytest.mark.parametrize(
    "content",
    [b"", b"not a video\n" * 50, bytes(5000), b"RIFF\x00\x00\x00\x00AVI LIST"],
    ids=["empty", "text", "zeros", "head"],
)
def test_what_is_no_video_gets_one_line(tmp_path, content):
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(ClipUnreadable) as raised, Clip(path) as clip:
        list(clip.frames(15))
    assert "clip.mp4" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_file_a_folder_and_a_sound_are_no_clips(tmp_path):
    sound = tmp_path / "sound.wav"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
    for path in (tmp_path / "none.mp4", tmp_path, sound):
        with pytest.raises(ClipUnreadable):
            Clip(path)


def test_a_file_cut_short_is_read_as_far_as_it_goes(tmp_path):
    whole = write(tmp_path / "whole.mkv", SITTING, every(100))
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 3 // 4])
    with Clip(cut) as clip:
        assert 0 < len(list(clip.frames(15))) < len(SITTING)

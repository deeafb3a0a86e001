"""`rtc-server analyze` on a clip made here, and the same observations replayed."""

import argparse
import json
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from rtc_server.commands import analyze, replay
from rtc_server.errors import ClipUnreadable
from rtc_server.settings import Settings
from tests.media.pictures import people


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of a face, one of an empty room."""
    path = tmp_path_factory.mktemp("clips") / "sitter.mp4"
    noise = np.random.default_rng(3)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=15, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for number in range(45):
            picture = people((200, 120)) if number < 30 else people()
            grainy = np.clip(picture + noise.normal(0, 2, picture.shape), 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(grainy, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 15)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def ran(command: object, *options: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)  # type: ignore[attr-defined]
    return command.run(parser.parse_args(options), Settings(_env_file=None))  # type: ignore[attr-defined]


def test_a_clip_is_judged_and_judged_again_with_the_same_totals(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, trace, again = tmp_path / "kept.ndjson", tmp_path / "trace.csv", tmp_path / "again.csv"
    assert ran(analyze, str(clip), "--json", "--observations", str(kept), "--trace", str(trace)) == 0
    first = json.loads(capsys.readouterr().out)["clips"][0]
    assert [span["reason"] for span in first["spans"]] == ["on_screen", "no_face"]
    assert first["focused_time"] == pytest.approx(2, abs=0.15)
    assert ran(replay, str(kept), "--json", "--trace", str(again)) == 0
    second = json.loads(capsys.readouterr().out)["clips"][0]
    assert {**second, "clip": ""} == {**first, "clip": ""}
    assert trace.read_bytes() == again.read_bytes()


def test_several_clips_get_a_file_each(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.mp4"
    other.write_bytes(clip.read_bytes())
    assert ran(analyze, str(clip), str(other), "--fps", "5", "--json", "--trace", str(tmp_path / "trace.csv")) == 0
    said = json.loads(capsys.readouterr().out)["clips"]
    assert [Path(one["clip"]).stem for one in said] == ["sitter", "other"]
    assert {path.name for path in tmp_path.glob("*.csv")} == {"trace.sitter.csv", "trace.other.csv"}


def test_what_is_no_video_gets_a_sentence(tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    for path in (text, tmp_path / "missing.mp4"):
        with pytest.raises(ClipUnreadable):
            ran(analyze, str(path))


@pytest.mark.parametrize("rate", ["0", "-1", "1000", "nan", "many"])
def test_a_frame_rate_that_makes_no_sense_is_refused(clip: Path, rate: str) -> None:
    with pytest.raises(SystemExit):
        ran(analyze, str(clip), "--fps", rate)


def test_a_plot_is_drawn(clip: Path, tmp_path: Path) -> None:
    plot = tmp_path / "plot.png"
    assert ran(analyze, str(clip), "--fps", "5", "--json", "--plot", str(plot)) == 0
    assert plot.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("command", [analyze, replay])
def test_without_matplotlib_a_plot_is_refused_before_the_work_and_says_what_to_install(
    command: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(SystemExit):
        ran(command, "missing", "--plot", str(tmp_path / "plot.png"))
    assert "pip install 'rtc-server[plot]'" in capsys.readouterr().err

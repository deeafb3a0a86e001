"""Kept observations: the same to the bit, judged again."""

import argparse
import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from rtc_server.commands import replay
from rtc_server.errors import ObservationsUnreadable, OutputUnwritable
from rtc_server.focus.policy import NOTE_TAKING, READING
from rtc_server.focus.state import FocusState
from rtc_server.offline.analysis import analyse
from rtc_server.offline.observation_file import read, written
from rtc_server.offline.plot import draw
from rtc_server.offline.trace import COLUMNS, write_trace
from rtc_server.settings import Settings
from tests.focus.meshes import DESK, LEFT, SCREEN, acted

FRAMES = tuple(acted((3, SCREEN), (2, LEFT), (1, ()), (2, DESK), (1, (SCREEN, replace(LEFT, x=0.1)))))


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    path = tmp_path / "kept.ndjson"
    assert tuple(written(FRAMES, path)) == FRAMES
    return path


def replayed(kept: Path, *options: str) -> int:
    parser = argparse.ArgumentParser()
    replay.add_arguments(parser)
    return replay.run(parser.parse_args([str(kept), *options]), Settings(_env_file=None))


def test_observations_come_back_to_the_bit(kept: Path) -> None:
    back = tuple(read(kept))
    assert len(back) == len(FRAMES)
    for one, other in zip(FRAMES, back, strict=True):
        assert (one.media_time_s, one.width, one.height, one.quality) == (
            other.media_time_s,
            other.width,
            other.height,
            other.quality,
        )
        assert [face.points.tobytes() for face in one.faces] == [face.points.tobytes() for face in other.faces]


def test_a_file_from_before_glare_was_measured_is_still_read(kept: Path) -> None:
    header, *lines = (json.loads(line) for line in kept.read_text().splitlines())
    for line in lines:
        del line["clipped"]
    kept.write_text("".join(json.dumps(line) + "\n" for line in (header, *lines)))
    assert [one.quality for one in read(kept)] == [one.quality for one in FRAMES]


def test_the_same_policy_gives_the_same_totals_and_another_its_own(
    kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replayed(kept, "--json") == 0
    said = json.loads(capsys.readouterr().out)["clips"][0]
    first = analyse(FRAMES, READING)
    assert said.items() >= first.totals.metrics().items()
    assert len(said["spans"]) == len(first.spans)
    assert said["policy"] == "reading/3"
    notes = analyse(read(kept), NOTE_TAKING)
    assert notes.totals.focused_s > first.totals.focused_s + 1.5


def test_the_trace_has_a_row_for_each_frame_dated_back(tmp_path: Path) -> None:
    analysis = analyse(FRAMES, READING)
    write_trace(analysis, tmp_path / "trace.csv")
    with (tmp_path / "trace.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == len(FRAMES)
    first_left = rows[45]
    assert (first_left["state"], first_left["live_state"]) == (FocusState.UNFOCUSED, FocusState.FOCUSED)
    assert float(first_left["gaze_yaw_deg"]) == pytest.approx(-25, abs=1)
    assert rows[80]["head_yaw_deg"] == ""
    assert rows[-2]["face_count"] == "2"


def test_it_says_in_words_what_came_out(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replayed(kept) == 0
    text = capsys.readouterr().out
    assert "% focused" in text
    assert "looking_left" in text
    assert "a second person" in text


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_plot_is_drawn(tmp_path: Path, suffix: str) -> None:
    draw(analyse(FRAMES, READING), tmp_path / f"plot.{suffix}", "nobody in particular")
    assert (tmp_path / f"plot.{suffix}").stat().st_size > 10_000


def test_a_recording_of_nothing_comes_to_nothing(tmp_path: Path) -> None:
    analysis = analyse((), READING)
    assert (analysis.spans, analysis.duration_s, analysis.totals.total_s) == ((), 0.0, 0.0)
    write_trace(analysis, tmp_path / "trace.csv")


@pytest.mark.parametrize(
    "text",
    ["", "not json", "[]", '{"format": "something else", "version": 1}', '{"format": "rtc-server observations"}'],
)
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.ndjson"
    path.write_text(text)
    with pytest.raises(ObservationsUnreadable):
        tuple(read(path))


@pytest.mark.parametrize("damage", ['{"media_time_s": 1}', '{"faces": "x"', "\x00"])
def test_a_damaged_line_is_refused(kept: Path, damage: str) -> None:
    kept.write_text(kept.read_text().splitlines()[0] + "\n" + damage + "\n")
    with pytest.raises(ObservationsUnreadable):
        tuple(read(kept))


def test_a_missing_file_and_a_place_that_cannot_be_written_get_a_sentence(kept: Path, tmp_path: Path) -> None:
    with pytest.raises(ObservationsUnreadable, match="cannot be read"):
        replayed(tmp_path / "missing.ndjson")
    with pytest.raises(OutputUnwritable, match="cannot be written"):
        replayed(kept, "--trace", str(tmp_path / "no" / "such" / "folder.csv"))

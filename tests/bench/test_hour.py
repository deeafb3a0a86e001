"""An hour made of labelled seconds: what is made is what the labels say."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from bench import hour
from rtc_server.focus.geometry.measurement import measure
from rtc_server.offline.observation_file import written
from tests.focus.meshes import SCREEN, acted

FRAMES = list(acted((3, SCREEN)))


@pytest.fixture(autouse=True)
def minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hour, "HOUR_S", 120.0)


def test_a_turned_head_takes_its_eyes_along_and_a_label_says_so() -> None:
    pieces = [hour._Piece("reading", 5), hour._Piece("aside", 5, yaw_deg=40.0), hour._Piece("away", 5, there=False)]
    frames, labels = hour._acted(FRAMES, pieces, np.random.default_rng(1))
    turned = measure(frames[80].faces[0], 640, 480)
    assert turned.head.yaw_deg == pytest.approx(40, abs=5)
    assert turned.gaze.yaw_deg > 15
    assert frames[-1].faces == ()
    assert [label.state for label in labels if label.scored] == ["focused", "away", "away"]
    assert all(one.end_s == other.start_s for one, other in pairwise(labels))


def test_a_steady_person_s_hour_adds_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "truth.csv").write_text("file,start_s,end_s,state\na/x.mp4,0,3,focused\na/y.mp4,0,1,focused\n")
    (tmp_path / "kinds.csv").write_text("file,person,kinds\na/x.mp4,p1,\na/y.mp4,p2,\n")
    list(written(FRAMES, tmp_path / "15fps-full-raw-a-x.mp4.ndjson"))
    list(written(FRAMES[:15], tmp_path / "15fps-full-raw-a-y.mp4.ndjson"))
    files = ["--truth", f"{tmp_path}/truth.csv", "--by", f"{tmp_path}/kinds.csv", "--observations", str(tmp_path)]
    assert hour.main(["--clips", str(tmp_path), *files, "--distracted-start", "10", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [row["person"] for row in report["hours"]] == ["p1"], "the other's second is too short"
    assert report["mean_abs_error_of_focused_time"] < 0.02
    assert report["live_false_changes_per_hour"] == 0

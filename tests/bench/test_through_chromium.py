"""A clip as a camera's file, and what came of it in the clip's own time."""

from pathlib import Path

import av
import numpy as np
import pytest

from bench import through_chromium
from bench.through_chromium import FPS, HEIGHT, LEAD_S, TAIL_S, WIDTH, write_camera
from rtc_server.focus.policy import READING
from rtc_server.focus.state import FocusState, Reason


@pytest.fixture
def tall_clip(tmp_path: Path) -> Path:
    """Two seconds of white, 120x160, at 30 frames a second."""
    path = tmp_path / "tall.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 120, 160, "yuv420p"
        for _ in range(60):
            white = av.VideoFrame.from_ndarray(np.full((160, 120, 3), 255, np.uint8), format="rgb24")
            container.mux(stream.encode(white))
        container.mux(stream.encode(None))
    return path


def test_the_camera_shows_black_then_the_whole_clip_in_its_own_time_then_black(tall_clip: Path, tmp_path: Path) -> None:
    camera = tmp_path / "camera.y4m"
    seconds = write_camera(tall_clip, camera)
    assert seconds == pytest.approx(2.0, abs=1 / FPS)
    with av.open(str(camera)) as opened:
        luma = [frame.to_ndarray()[:HEIGHT] for frame in opened.decode(video=0)]
    assert {picture.shape for picture in luma} == {(HEIGHT, WIDTH)}
    lit = [picture[HEIGHT // 2, WIDTH // 2] > 200 for picture in luma]
    assert lit == [False] * round(LEAD_S * FPS) + [True] * round(seconds * FPS) + [False] * round(TAIL_S * FPS)
    shown = luma[round(LEAD_S * FPS)] > 200
    assert shown.any(axis=0).sum() == pytest.approx(WIDTH * 120 / 160 * HEIGHT / WIDTH, abs=4)
    assert shown.any(axis=1).all()


def test_what_is_sent_begins_and_ends_with_the_clip(tall_clip: Path) -> None:
    spans = through_chromium.analyses((tall_clip,), READING)[tall_clip].spans
    assert [span.reason for span in spans] == [Reason.NO_FACE, Reason.LOW_LIGHT]
    assert [span.start_s for span in spans] == pytest.approx([0.0, 2.0], abs=0.3)


def test_time_is_the_clip_s_own_from_where_it_ends_and_a_page_shows_the_last_update() -> None:
    spans = [
        {"start_s": 0.0, "end_s": 1.9, "state": "focused", "reason": "on_screen"},
        {"start_s": 1.9, "end_s": 2.9, "state": "unknown", "reason": "low_light"},
    ]
    said = [(0.0, "unknown"), (0.1, "focused"), (0.9, "unfocused")]
    updates = [{"media_time_s": at_s, "state": state, "reason": "on_screen", "confidence": 0.9} for at_s, state in said]
    analysis = through_chromium._analysis({"spans": spans, "updates": updates}, 2.0, READING)
    assert [(span.start_s, span.reason) for span in analysis.spans] == [
        (pytest.approx(0.1), Reason.ON_SCREEN),
        (pytest.approx(2.0), Reason.LOW_LIGHT),
    ]
    states = [snapshot.state for snapshot in analysis.snapshots]
    assert len(states) == 30
    assert (states[0], states[4], states[14], states[16]) == (
        FocusState.UNKNOWN, FocusState.FOCUSED, FocusState.FOCUSED, FocusState.UNFOCUSED,
    )  # fmt: skip

"""The same clips through Chromium and from their files, side by side."""

from bench.accuracy_in_chromium import chromium_report
from bench.labels import Subject
from bench.scoring import Score
from rtc_server.focus.state import FocusState


def scored(right: int, wrong: int, *, live_wrong: int = 0) -> Score:
    result = Score()
    result.final.update({(True, FocusState.FOCUSED): right, (True, FocusState.UNFOCUSED): wrong})
    result.live.update({(True, FocusState.FOCUSED): right + wrong - live_wrong, (True, FocusState.UNKNOWN): live_wrong})
    return result


def test_each_person_has_a_row_and_all_clips_together_are_held_to_the_goal() -> None:
    subjects = {"a.mp4": Subject("p1", ()), "b.mp4": Subject("p1", ()), "empty.mp4": Subject("", ())}
    played = {"a.mp4": scored(99, 1), "b.mp4": scored(100, 0), "empty.mp4": scored(200, 0)}
    files = {"a.mp4": scored(100, 0), "b.mp4": scored(100, 0), "empty.mp4": scored(190, 10, live_wrong=1)}
    report = chromium_report(played, files, subjects, 0.0)
    assert [(row["person"], row["frames"]) for row in report.rows] == [("p1", 200), ("all clips", 400)]
    assert report.rows[0]["stored_in_chromium"] == "99.50"
    assert report.rows[0]["stored_from_file"] == "100.00"
    assert [(goal.result, goal.met) for goal in report.goals] == [("2.25", False), ("0.25", True)]


def test_a_clip_without_scored_frames_has_no_row() -> None:
    subjects = {"a.mp4": Subject("p1", ()), "b.mp4": Subject("p2", ())}
    scores = {"a.mp4": scored(10, 0), "b.mp4": Score()}
    assert [row["person"] for row in chromium_report(scores, scores, subjects, 0.0).rows] == ["p1", "all clips"]

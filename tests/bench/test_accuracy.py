"""How frames are scored against labels."""

from dataclasses import replace

import pytest

from bench.labels import Label
from bench.scoring import balanced_accuracy, score
from rtc_server.focus.policy import READING
from rtc_server.focus.state import FocusState
from rtc_server.offline.analysis import Analysis, analyse
from tests.focus.meshes import CLEAR, LEFT, SCREEN, acted

LABELS = [Label(0, 5, "focused"), Label(5, 5.2, "uncertain"), Label(5.2, 8, "away_left"), Label(8, 12, "focused")]


def analysis(away_from: float = 5.0) -> Analysis:
    return analyse(acted((away_from, SCREEN), (8 - away_from, LEFT), (4, SCREEN)), READING)


def test_what_is_right_scores_full_marks_and_the_delay_is_told() -> None:
    report = score(analysis(), LABELS).report()
    assert (report["accuracy"], report["balanced_accuracy"], report["unknown_share"]) == (1.0, 1.0, 0.0)
    assert report["live_accuracy"] == pytest.approx(1 - 4 / 177, abs=0.015)
    assert report["change_delay_s"]["n"] == 2
    assert 0.05 < report["change_delay_s"]["median"] < 0.25
    assert report["false_changes_per_hour"] == 0
    assert report["focused_time_error_s"] == pytest.approx(0, abs=0.01)


def test_what_is_late_is_counted_wrong() -> None:
    result = score(analysis(away_from=6.0), LABELS)
    assert result.final[False, FocusState.FOCUSED] == 12
    assert result.focused_error_s == pytest.approx(0.8, abs=0.05)
    assert result.final_delays_s[0] == pytest.approx(0.9, abs=0.05)


def test_unknown_is_wrong_and_uncertain_is_not_scored() -> None:
    dark = [replace(one, quality=replace(CLEAR, brightness=2.0)) for one in acted((4, SCREEN))]
    report = score(analyse(dark, READING), [Label(0, 2, "focused"), Label(2, 4, "uncertain")]).report()
    assert (report["frames"], report["accuracy"], report["unknown_share"]) == (30, 0.0, 1.0)


def test_balance_weighs_focused_and_unfocused_alike() -> None:
    counts = {(True, FocusState.FOCUSED): 90, (False, FocusState.FOCUSED): 5, (False, FocusState.UNFOCUSED): 5}
    assert balanced_accuracy(counts) == 0.75

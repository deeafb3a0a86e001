from pathlib import Path

from bench.report import Goal, Report, write


def test_a_section_is_written_in_the_place_of_the_older_one(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    write(Report("floor", "The floor.", [{"cost_ms": 3.14159}]), "a clip", page)
    write(Report("cost", "The cost.", [{"learners": 8, "cost_ms": 4.0}]), "a clip", page)
    write(Report("floor", "The floor.", [{"cost_ms": 2.71828}]), "a clip", page)

    text = page.read_text()
    assert text.startswith("# Benchmarks")
    assert text.count("## floor") == text.count("## cost") == 1
    assert text.index("## floor") < text.index("## cost")
    assert "| 2.72 |" in text
    assert "3.14" not in text
    assert "clip: a clip" in text


def test_a_missed_goal_is_said() -> None:
    goals = [Goal("at most 1", "0.9", met=True), Goal("at most 2", "2.5", met=False, note="The loop is Python.")]

    text = Report("cost", "The cost.", [], goals).as_markdown("a clip")

    assert "**Met**: at most 1; measured 0.9." in text
    assert "**Missed**: at most 2; measured 2.5. The loop is Python." in text


def test_json_has_the_rows_as_they_are() -> None:
    report = Report("cost", "The cost.", [{"mode": "full", "learners": 8, "ratio_to_floor": 1.1}])

    assert report.as_json()["rows"] == [{"mode": "full", "learners": 8, "ratio_to_floor": 1.1}]
    assert report.as_json()["machine"]["cores"] >= 1

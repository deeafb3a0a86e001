"""The threat model names tests: each exists, and no row goes without."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODEL = (ROOT / "docs/threat-model.md").read_text()
ROWS = [line for line in MODEL.splitlines() if line.startswith("| ") and not line.startswith("| attack")]
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", MODEL)))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:60])
def test_every_threat_names_what_stops_it_and_a_test(row: str) -> None:
    _, attack, by, defence, shown_by, _ = (cell.strip() for cell in row.split("|"))
    assert attack
    assert by
    assert defence
    assert re.fullmatch(r"(`tests/[\w/]+\.py::test_\w+` ?)+", shown_by)


@pytest.mark.parametrize(("path", "name"), NAMED, ids=lambda value: str(value).removeprefix("tests/"))
def test_every_named_test_exists(path: str, name: str) -> None:
    tree = ast.parse((ROOT / path).read_text())
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert name in defined

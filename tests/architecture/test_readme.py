"""The README's tables say what the code has."""

import pytest

from docs.readme_tables import README, with_tables
from rtc_server.__main__ import COMMANDS
from rtc_server.settings import Settings

WRITTEN = README.read_text()
MADE = with_tables(WRITTEN)
"""Here, and not in a test: the first import of ifaddr asks ldconfig, a process, for the C library."""


def test_the_tables_are_up_to_date() -> None:
    assert MADE == WRITTEN, "run `make docs`"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_has_its_row(name: str) -> None:
    assert f"| `RTC_{name.upper()}` | " in WRITTEN


def test_every_command_has_its_row() -> None:
    rows = [line for line in WRITTEN.splitlines() if line.startswith("| `") and "RTC_" not in line[:8]]
    assert len(rows) == 1 + len(COMMANDS)


def test_a_readme_without_the_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="settings"):
        with_tables(WRITTEN.replace("<!-- end of settings -->", ""))

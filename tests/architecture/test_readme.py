"""What the README says of settings is what the code has."""

from pathlib import Path

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from rtc_server.settings import Settings

README = (Path(__file__).parents[2] / "README.md").read_text()


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "see right"
    default = field.default
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    if default is None or default == () or default == "":
        return "–"
    if isinstance(default, tuple):
        default = ",".join(map(str, default))
    if isinstance(default, bool):
        default = int(default)
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_has_its_row(name: str) -> None:
    field = Settings.model_fields[name]
    row = f"| `RTC_{name.upper()}` | {_default(field)} | {field.description} |"
    assert row in README, f"the README's table of settings lacks this row:\n{row}"


def test_the_table_has_no_row_too_many() -> None:
    rows = [line for line in README.splitlines() if line.startswith("| `RTC_")]
    assert len(rows) == len(Settings.model_fields)

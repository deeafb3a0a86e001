"""A setting that nothing reads would promise what does not happen."""

import re
from pathlib import Path

import pytest

from rtc_server.settings import Settings

SERVER = Path(__file__).parents[2] / "rtc_server"
READERS = "".join(path.read_text() for path in [*SERVER.glob("composition/*.py"), *SERVER.glob("commands/*.py")])


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_read(name: str) -> None:
    # As a whole word: `max_sessions_per_user` does not read `max_sessions`.
    assert re.search(rf"\bsettings\.{name}\b", READERS)

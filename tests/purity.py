"""The pure tests: no server, no browser, no other process. `make check` runs them all day."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy.testing  # noqa: F401  # here, and not in a test: it asks a process for the CPU's features as it is loaded
import pytest

FOLDERS = {"architecture", "focus", "rtp", "sdp"}
MODULES = {
    # what is seen in a picture
    *("test_replay", "test_face_tracker", "test_image_quality", "test_picture"),
    # transport, analysis, channels, lifetimes
    *(
        "test_datagram_gate",
        "test_encryption",
        "test_media_allowance",
        "test_retransmission_timer",
    ),
    *("test_pace", "test_pool", "test_pipeline", "test_messages", "test_data_channels", "test_deadlines"),
    # tokens, settings, rows, files
    *(
        "test_auth",
        "test_token",
        "test_token_bucket",
        "test_tally",
        "test_platform_row",
        "test_spool",
        "test_threat_model",
        "test_addresses",
        "test_backoff",
    ),
    # benchmarks
    *(
        "test_accuracy",
        "test_accuracy_in_chromium",
        "test_crowd",
        "test_figures",
        "test_floor",
        "test_judgements",
        "test_report",
        "test_run",
    ),
}
_SERVERS = {"socket.bind", "socket.connect", "subprocess.Popen", "os.fork", "os.posix_spawn", "os.system"}
"""Audit events (PEP 578) of what a pure test does not do."""

_events: list[str] | None = None


def is_pure(module: Path) -> bool:
    """Whether all tests of this file are; so are the files that belong to no single test."""
    if not module.name.startswith("test_"):
        return True
    # Fuzzing takes the time that it is given, and its modules are named as what they try.
    return module.parent.name != "fuzz" and (module.parent.name in FOLDERS or module.stem in MODULES)


def _keep(event: str, _: object) -> None:
    if _events is not None and event in _SERVERS:
        _events.append(event)


sys.addaudithook(_keep)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `-m pure` the other modules are not even imported: that alone takes seconds."""
    if config.option.markexpr == "pure" and collection_path.suffix == ".py" and not is_pure(collection_path):
        return True
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if is_pure(item.path):
            item.add_marker("pure")


@pytest.fixture(autouse=True)
def a_pure_test_talks_to_nobody(request: pytest.FixtureRequest) -> Iterator[None]:
    global _events
    if request.node.get_closest_marker("pure") is None:
        yield
        return
    _events = []
    try:
        yield
        assert not _events, f"{_events}, and this test is listed as pure in tests/purity.py"
    finally:
        _events = None

"""The locks: exact, whole, from anywhere, and without what is never imported."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted(path.name for path in ROOT.glob("requirements*.lock"))
NEVER_IMPORTED = {"jax", "jaxlib", "sentencepiece", "sounddevice", "opencv-contrib-python"}


def _requirements(name: str) -> dict[str, str]:
    """Each package's name, and its whole entry."""
    entries = re.split(r"(?m)^(?=[a-z])", (ROOT / name).read_text())
    return {re.split(r"[=<>~; \[]", entry, maxsplit=1)[0]: entry for entry in entries if entry[:1].isalpha()}


@pytest.mark.parametrize("name", LOCKS)
def test_versions_are_exact_and_hashed(name: str) -> None:
    requirements = _requirements(name)
    assert requirements
    for package, entry in requirements.items():
        assert re.match(rf"{re.escape(package)}==[^ ]+ ", entry), f"{name}: {package} has no exact version"
        assert "--hash=sha256:" in entry, f"{name}: {package} has no hash"


@pytest.mark.parametrize("name", LOCKS)
def test_no_index_is_named(name: str) -> None:
    assert "://" not in (ROOT / name).read_text()


@pytest.mark.parametrize("name", LOCKS)
def test_what_is_never_imported_is_left_out(name: str) -> None:
    assert not NEVER_IMPORTED & _requirements(name).keys()


def test_the_runtime_holds_nothing_of_the_tests_and_nothing_to_plot_with() -> None:
    assert (
        not {"matplotlib", "pillow", "scipy", "pytest", "playwright", "scikit-image"}
        & _requirements("requirements.lock").keys()
    )

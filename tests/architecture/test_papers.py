"""What a school reads before it switches this on names only settings, columns, figures and pages that are there."""

import re
from pathlib import Path

import pytest

from rtc_server.commands import erase
from rtc_server.settings import Settings
from rtc_server.store.schema import own_metadata, platform_rows
from rtc_server.web.api.learners import OPERATION

ROOT = Path(__file__).parents[2]
PRIVACY = (ROOT / "docs/privacy.md").read_text()
MODEL_CARD = (ROOT / "docs/model-card.md").read_text()
ACCURACY = (ROOT / "docs/accuracy.md").read_text()

BOOKKEEPING = {"rtc_servers", "rtc_platform_only", "rtc_platform_seen"}
"""Tables that hold nothing about a person: which servers live, and which rows the platform has."""
NAMES = {
    "camera at the side": "camera aside",
    "face far away": "far",
    "head moves a lot, eyes on the screen": "head moves",
}
"""Kinds of people: what the model card calls them, and what the benchmark does."""


def section(document: str, title: str) -> str:
    return document.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_every_setting_that_is_named_exists() -> None:
    named = set(re.findall(r"RTC_(\w+)", PRIVACY + MODEL_CARD))
    assert len(named) > 4
    assert {name.lower() for name in named} <= set(Settings.model_fields)


def test_what_it_says_of_the_defaults_is_so() -> None:
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    assert defaults["retention_days"] is None, "for ever without the setting"
    assert not defaults["retention_platform_rows"]
    assert not defaults["learners_may_erase"]


def test_every_column_about_a_learner_is_explained() -> None:
    """And none that is not stored."""
    stored = {
        column.name
        for table in own_metadata.tables.values()
        if table.name not in BOOKKEEPING
        for column in table.columns
    }
    rows = section(PRIVACY, "What is stored of a session").splitlines()
    explained = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1] if "|" in row else "")}
    assert explained == stored
    assert f"`{platform_rows.name}`" in PRIVACY


def test_bookkeeping_says_nothing_about_a_person() -> None:
    personal = {"user_id", "display_name"}
    for name in BOOKKEEPING:
        assert not personal & {column.name for column in own_metadata.tables[name].columns}


@pytest.mark.parametrize("page", ["/me", "/class/learner/"])
def test_the_pages_that_are_named_are_served(page: str) -> None:
    assert f"`{page}" in PRIVACY
    name = page.strip("/").partition("/")[0]
    assert (ROOT / f"static/{name}.html").is_file()


def test_the_commands_and_requests_that_are_named_exist() -> None:
    assert f"`{OPERATION.method.upper()} {OPERATION.address}`" in PRIVACY
    source = Path(erase.__file__).read_text()
    for option in ("--user", "--platform-rows"):
        assert option in PRIVACY
        assert f'"{option}"' in source


@pytest.mark.parametrize(
    "title",
    [
        "What is processed, where, and for how long",
        "What learners can do",
        "Text to agree to",
        "People decide",
        "Impact assessment, to fill in",
    ],
)
def test_privacy_has_what_a_school_asks_for(title: str) -> None:
    assert len(section(PRIVACY, title)) > 300


@pytest.mark.parametrize(
    "title",
    ["What it is for", "What it must not be used for", "For whom it was tried", "Known limits"],
)
def test_the_model_card_has_what_a_school_asks_for(title: str) -> None:
    assert len(section(MODEL_CARD, title)) > 150


def kinds(document: str, title: str) -> dict[str, tuple[str, ...]]:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section(document, title).splitlines()]
    return {row[0]: tuple(row[1:]) for row in rows if len(row) == 5 and row[1].isdigit()}


def test_the_model_cards_figures_are_those_that_were_measured() -> None:
    said, measured = kinds(MODEL_CARD, "For whom it was tried"), kinds(ACCURACY, "By kind of person")
    assert {NAMES.get(kind, kind): figures for kind, figures in said.items()} == measured
    assert {"glasses", "dark skin", "child", "dim light"} <= set(said)

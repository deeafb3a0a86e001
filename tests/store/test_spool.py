"""The folder itself: what is in it, whose it is, and what happens to what cannot be read or written."""

import logging
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from rtc_server.focus.state import Reason
from rtc_server.learner import Learner
from rtc_server.store.progress import progress
from rtc_server.store.spool.connection import unreadable_files
from rtc_server.store.spool.spool import Spool, Survey, remove_waiting, survey, waiting
from tests.store.full_disk import full_disk
from tests.store.records import STARTED_AT, record, span

OpenSpool = Callable[[], Spool]


@pytest.fixture
def open_spool(spool_folder: Path) -> Iterator[OpenSpool]:
    """Each call is another server."""
    opened: list[Spool] = []

    def start() -> Spool:
        opened.append(Spool(spool_folder))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def left_behind(open_spool: OpenSpool, *records: object) -> None:
    """By a server that is gone."""
    spool = open_spool()
    for one in records:
        spool.write(one)
    spool.close()


def test_what_is_written_is_what_is_recovered(open_spool: OpenSpool) -> None:
    full = replace(
        record(None, span(0, 1.1), span(1.1, 1.1 + 1 / 3, Reason.NO_FACE), at_s=7.654321, end_reason="stopped"),
        consent_at=STARTED_AT - timedelta(seconds=9),
        calibration_error_deg=1.7,
        calibration_quality="good",
        multiple_faces=((0.1, 0.9), (1.2, 1.2 + 1 / 7)),
    )
    plain = record(None, learner=Learner(8, 3))
    left_behind(open_spool, full, plain)
    assert {one.focus_session_id: one for one in open_spool().recover()} == {
        full.focus_session_id: full,
        plain.focus_session_id: plain,
    }


def test_only_the_newest_of_a_session_is_kept_in_a_file_for_this_user_alone(
    open_spool: OpenSpool, spool_folder: Path
) -> None:
    spool = open_spool()
    one = record(None, span(0, 1), at_s=1)
    newest = record(one.focus_session_id, span(0, 2), at_s=2)
    for each in (one, newest, one):
        spool.write(each)
    assert waiting(spool_folder) == [newest]
    files = list(spool_folder.iterdir())
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(spool_folder.stat().st_mode) == 0o700
    spool.close()
    assert open_spool().recover() == [newest]


def test_what_is_stored_goes_and_leaves_no_trace_in_the_files(open_spool: OpenSpool, spool_folder: Path) -> None:
    left_behind(open_spool, record("a" * 36, learner=Learner(987_654, 3)))
    spool = open_spool()
    (left,) = spool.recover()
    spool.write(record("b" * 36, learner=Learner(987_654, 3)))
    assert traces(spool_folder, b"987654")
    for one in (left, record("b" * 36), record("c" * 36)):
        spool.remove(one)
    assert waiting(spool_folder) == []
    assert not traces(spool_folder, b"987654")


def test_what_is_erased_leaves_no_trace_in_the_files(open_spool: OpenSpool, spool_folder: Path) -> None:
    spool = open_spool()
    for user_id in (987_654, 8):
        spool.write(record(None, learner=Learner(user_id, 3)))
    assert remove_waiting(spool_folder, user_id=987_654) == 1
    assert not traces(spool_folder, b"987654")
    assert [one.learner.user_id for one in waiting(spool_folder)] == [8]


def traces(folder: Path, of: bytes) -> list[str]:
    return [file.name for file in folder.iterdir() if of in file.read_bytes()]


def test_servers_share_a_folder_and_a_newer_record_stays_whoever_is_done_with_an_older_one(
    open_spool: OpenSpool, spool_folder: Path
) -> None:
    first, second = open_spool(), open_spool()
    older, newer = record("a" * 36, span(0, 1), at_s=1), record("a" * 36, span(0, 2), at_s=2)
    other = record("b" * 36, span(0, 1))
    first.write(older)
    assert second.recover() == [older]
    second.write(other)
    first.write(newer)
    second.write(older)
    second.remove(older)
    assert {one.focus_session_id: one for one in open_spool().recover()} == {"a" * 36: newer, "b" * 36: other}
    first.remove(newer)
    assert waiting(spool_folder) == [other]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content.replace(b'"version":1', b'"version":2'),
        lambda content: content.replace(b'"policy"', b'"new_field":1,"policy"'),
        lambda content: content.replace(b"a" * 36, b"b" * 36),
        lambda content: content.replace(b'"end_s":1.0', b'"end_s":NaN'),
        lambda content: b'{"user_id": 987654}',
        lambda content: b"\x00\xff" * 100,
    ],
    ids=["empty", "half", "version", "field", "another session", "not a number", "foreign", "binary"],
)
def test_a_session_that_cannot_be_read_stays_where_it_is(
    open_spool: OpenSpool, spool_folder: Path, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    good = record(None, span(0, 1))
    left_behind(open_spool, record("a" * 36, span(0, 1), learner=Learner(987_654, 3)), good)
    with closing(sqlite3.connect(spool_folder / "spool.sqlite3", isolation_level=None)) as other:
        (content,) = other.execute("SELECT content FROM waiting WHERE focus_session_id = ?", ("a" * 36,)).fetchone()
        other.execute("UPDATE waiting SET content = ? WHERE focus_session_id = ?", (damage(content), "a" * 36))
    assert open_spool().recover() == [good]
    (said,) = caplog.records
    assert said.levelno == logging.ERROR
    assert "987654" not in str(vars(said))
    assert survey(spool_folder) == Survey(waiting=2, unreadable=1)


@pytest.mark.parametrize("damage", ["no database", "half a database"])
def test_a_damaged_file_is_set_aside_as_it_is(
    open_spool: OpenSpool, spool_folder: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    left_behind(open_spool, record("a" * 36))
    file = spool_folder / "spool.sqlite3"
    damaged = bytes(500_000) if damage == "no database" else file.read_bytes()[:4096] + b"\xff" * 9000
    file.write_bytes(damaged)
    spool = open_spool()
    assert spool.recover() == []
    (aside,) = [path for path in unreadable_files(spool_folder) if path.suffix == ".sqlite3"]
    assert aside.read_bytes() == damaged
    assert stat.S_IMODE(aside.parent.stat().st_mode) == 0o700
    assert "damaged" in caplog.text
    spool.write(record("b" * 36))
    assert [one.focus_session_id for one in waiting(spool_folder)] == ["b" * 36]


def test_what_is_not_from_here_is_left_alone(open_spool: OpenSpool, spool_folder: Path) -> None:
    (spool_folder / "notes").mkdir(parents=True)
    (spool_folder / "rtc-server.sqlite3").write_bytes(b"SQLite format 3")
    assert open_spool().recover() == []
    assert sorted(path.name for path in spool_folder.iterdir()) == ["notes", "rtc-server.sqlite3"]


def test_a_link_in_the_files_place_is_not_followed(open_spool: OpenSpool, spool_folder: Path, tmp_path: Path) -> None:
    spool_folder.mkdir(parents=True)
    (tmp_path / "elsewhere").touch()
    (spool_folder / "spool.sqlite3").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        open_spool().write(record())
    assert (tmp_path / "elsewhere").read_bytes() == b""


def test_where_the_disk_is_full_from_the_start_it_says_so(open_spool: OpenSpool, spool_folder: Path) -> None:
    with full_disk(spool_folder):
        with pytest.raises((OSError, sqlite3.Error)):
            open_spool().write(record())
        with pytest.raises((OSError, sqlite3.Error)):
            survey(spool_folder)


@pytest.mark.parametrize("emptied_before", [False, True])
def test_a_disk_that_becomes_full_in_an_outage_costs_nothing(
    open_spool: OpenSpool, spool_folder: Path, emptied_before: bool
) -> None:
    """There is room that was taken while the disk had some."""
    spool = open_spool()
    ids = [record().focus_session_id for _ in range(20)]
    live = [record(key, *(span(n, n + 1) for n in range(9))) for key in ids]
    spool.write(live[0])
    if emptied_before:  # an earlier outage is over
        spool.remove(live[0])
    with full_disk(spool_folder):
        for length in range(9, 22):
            live = [record(key, *(span(n, n + 1) for n in range(length)), at_s=length) for key in ids]
            for one in live:
                spool.write(one)
        spool.close()
        assert {one.focus_session_id: one.totals.focused_s for one in waiting(spool_folder)} == dict.fromkeys(ids, 21)
    assert len(open_spool().recover()) == 20


def test_a_folder_that_is_removed_is_made_again(open_spool: OpenSpool, spool_folder: Path) -> None:
    spool = open_spool()
    spool.write(record("a" * 36))
    shutil.rmtree(spool_folder)
    spool.remove(record("a" * 36))
    for _ in range(2):
        spool.write(record("a" * 36))
    assert len(waiting(spool_folder)) == 1


def test_a_file_in_the_folders_place_is_an_error_to_write_and_none_to_start_with(
    open_spool: OpenSpool, spool_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool_folder.parent.mkdir()
    spool_folder.touch()
    assert open_spool().recover() == []
    assert "cannot be read" in caplog.text
    with pytest.raises(OSError, match="exists"):
        open_spool().write(record())
    with pytest.raises(NotADirectoryError):
        survey(spool_folder)


def test_a_survey_counts_and_makes_nothing(open_spool: OpenSpool, spool_folder: Path) -> None:
    assert survey(spool_folder) == Survey(0, 0)
    assert not spool_folder.exists()
    left_behind(open_spool, record(), record())
    assert survey(spool_folder) == Survey(2, 0)


def test_the_newer_of_two_records_is_told_by_what_was_measured_then_by_the_clock() -> None:
    one = record("a" * 36, span(0, 1), at_s=5)
    assert progress(record("a" * 36, span(0, 2), at_s=1)) > progress(one), "the clock was put back"
    assert progress(record("a" * 36, span(0, 1), at_s=6, session_type="pause")) > progress(one)
    assert progress(record("a" * 36, span(0, 0.5), span(0.5, 1.5, Reason.NO_FACE), at_s=5)) > progress(one)
    assert progress(replace(one)) == progress(one)

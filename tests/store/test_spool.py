"""The folder itself: what is in it, whose it is, and what happens to what cannot be read or written."""

import logging
import os
import resource
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from rtc_server.focus.state import Reason
from rtc_server.learner import Learner
from rtc_server.store.progress import progress
from rtc_server.store.spool import Spool, Survey, spooled_files, survey, unreadable_files
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


@contextmanager
def no_room() -> Iterator[None]:
    """No file of this process may have more than ten bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


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


def test_only_the_newest_of_a_session_is_kept_in_one_file_that_names_nobody(
    open_spool: OpenSpool, spool_folder: Path
) -> None:
    spool = open_spool()
    one = record(None, span(0, 1), learner=Learner(987_654, 3))
    newest = record(one.focus_session_id, span(0, 2), learner=one.learner)
    spool.write(one)
    spool.write(newest)
    (file,) = spooled_files(spool_folder)
    assert file.name == f"{one.focus_session_id}.json"
    assert "987654" not in str(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (file.parent, spool_folder)] == [0o700, 0o700]
    spool.close()
    assert open_spool().recover() == [newest]


def test_nothing_is_left_of_what_is_stored(open_spool: OpenSpool, spool_folder: Path) -> None:
    left_behind(open_spool, record("a" * 36))
    spool = open_spool()
    spool.recover()
    spool.write(record("b" * 36))
    for key in ("a" * 36, "b" * 36, "never written"):
        spool.remove(key)
    assert list(spool_folder.iterdir()) == []


def test_servers_that_share_a_folder_leave_each_others_files_alone(open_spool: OpenSpool) -> None:
    first, second = open_spool(), open_spool()
    ours, theirs = record(None, span(0, 1)), record(None, span(0, 1))
    first.write(ours)
    assert second.recover() == []
    second.write(theirs)
    first.close()
    third = open_spool()
    assert third.recover() == [ours]
    assert open_spool().recover() == [], "it is the third's now"
    second.close()
    assert open_spool().recover() == [theirs]


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
def test_what_cannot_be_read_is_set_aside_as_it_is(
    open_spool: OpenSpool, spool_folder: Path, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    good = record(None, span(0, 1))
    left_behind(open_spool, record("a" * 36, span(0, 1), learner=Learner(987_654, 3)), good)
    (file,) = [path for path in spooled_files(spool_folder) if path.stem == "a" * 36]
    damaged = damage(file.read_bytes())
    file.write_bytes(damaged)
    assert open_spool().recover() == [good]
    (aside,) = unreadable_files(spool_folder)
    assert aside.read_bytes() == damaged
    assert stat.S_IMODE(aside.parent.stat().st_mode) == 0o700
    (said,) = caplog.records
    assert said.levelno == logging.ERROR
    assert "987654" not in str(vars(said))
    assert open_spool().recover() == []


def test_what_is_no_file_is_set_aside_unopened(open_spool: OpenSpool, spool_folder: Path) -> None:
    left_behind(open_spool, record("a" * 36))
    (file,) = spooled_files(spool_folder)
    os.mkfifo(file.parent / f"{'b' * 36}.json")  # to open it would be to wait for ever
    (file.parent / f"{'c' * 36}.json").symlink_to("/etc/passwd")
    (file.parent / "folder").mkdir()
    assert len(open_spool().recover()) == 1
    assert len(unreadable_files(spool_folder)) == 3


def test_what_a_kill_left_half_done_is_finished_or_set_aside(open_spool: OpenSpool, spool_folder: Path) -> None:
    before, newer = record("a" * 36, span(0, 1)), record("a" * 36, span(0, 2))
    left_behind(open_spool, before, record("b" * 36), record("c" * 36, span(0, 9)))
    left_behind(open_spool, newer)
    files = {path: path.read_bytes() for path in spooled_files(spool_folder)}
    for path, content in files.items():
        if path.stem == "b" * 36:
            path.with_suffix(".tmp").write_bytes(content[:20])  # killed while it wrote
        if path.stem == "c" * 36:
            path.rename(path.with_suffix(".tmp"))  # killed before it renamed
    spool = open_spool()
    recovered = {one.focus_session_id: one for one in spool.recover()}
    assert recovered.keys() == {"a" * 36, "b" * 36, "c" * 36}
    assert recovered["a" * 36] == newer
    assert [path.read_bytes()[:5] for path in unreadable_files(spool_folder)] == [b'{"ver']
    for key in recovered:
        spool.remove(key)
    assert [path.name for path in spool_folder.iterdir()] == ["unreadable"]


def test_what_is_not_from_here_is_left_alone(open_spool: OpenSpool, spool_folder: Path) -> None:
    (spool_folder / "notes").mkdir(parents=True)
    (spool_folder / "rtc-server.sqlite3").write_bytes(b"SQLite format 3")
    (spool_folder / "run-notes.txt").write_text("see wiki")
    assert open_spool().recover() == []
    assert sorted(path.name for path in spool_folder.iterdir()) == ["notes", "rtc-server.sqlite3", "run-notes.txt"]


def test_a_full_disk_costs_the_new_file_and_not_the_old_one(open_spool: OpenSpool, spool_folder: Path) -> None:
    spool = open_spool()
    before = record(None, span(0, 1))
    spool.write(before)
    with no_room():
        with pytest.raises(OSError, match="large"):
            spool.write(record(before.focus_session_id, span(0, 2)))
        with pytest.raises(OSError, match="large"):
            spool.write(record())
        with pytest.raises(OSError, match="large"):
            survey(spool_folder)
    assert len(spooled_files(spool_folder)) == 1
    spool.close()
    assert open_spool().recover() == [before]


def test_a_folder_that_is_removed_is_made_again(open_spool: OpenSpool, spool_folder: Path) -> None:
    spool = open_spool()
    spool.write(record("a" * 36))
    (file,) = spooled_files(spool_folder)
    file.unlink()
    file.parent.rmdir()
    spool_folder.rmdir()
    spool.remove("a" * 36)
    for _ in range(2):
        spool.write(record("a" * 36))
    assert len(spooled_files(spool_folder)) == 1


def test_a_file_in_the_folders_place_is_an_error_to_write_and_none_to_start_with(
    open_spool: OpenSpool, spool_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool_folder.parent.mkdir()
    spool_folder.touch()
    assert open_spool().recover() == []
    assert "cannot be searched" in caplog.text
    with pytest.raises(OSError, match="exists"):
        open_spool().write(record())
    with pytest.raises(NotADirectoryError):
        survey(spool_folder)


def test_a_survey_counts_and_makes_nothing(open_spool: OpenSpool, spool_folder: Path) -> None:
    assert survey(spool_folder) == Survey(0, 0)
    assert not spool_folder.exists()
    left_behind(open_spool, record(), record())
    spooled_files(spool_folder)[0].write_bytes(b"")
    open_spool().recover()
    assert survey(spool_folder) == Survey(1, 1)


def test_the_newer_of_two_records_is_told_by_what_was_measured_then_by_the_clock() -> None:
    one = record("a" * 36, span(0, 1), at_s=5)
    assert progress(record("a" * 36, span(0, 2), at_s=1)) > progress(one), "the clock was put back"
    assert progress(record("a" * 36, span(0, 1), at_s=6, session_type="pause")) > progress(one)
    assert progress(record("a" * 36, span(0, 0.5), span(0.5, 1.5, Reason.NO_FACE), at_s=5)) > progress(one)
    assert progress(replace(one)) == progress(one)

"""The deadlines of a peer, in virtual time."""

import pytest

from rtc_server.peer.deadlines import Deadlines, Verdict, VitalSigns


@pytest.fixture
def signs() -> VitalSigns:
    return VitalSigns(Deadlines(), now=100.0)


def test_who_never_connects_is_gone(signs: VitalSigns) -> None:
    assert signs.verdict(114.9) is Verdict.WELL
    assert signs.verdict(115.0) is Verdict.GONE


def test_who_sends_no_first_frame_is_gone(signs: VitalSigns) -> None:
    signs.connected(101.0)
    signs.connected(105.0)
    assert signs.verdict(110.9) is Verdict.WELL
    assert signs.verdict(111.0) is Verdict.GONE


def test_silence_is_unknown_first_and_the_end_then(signs: VitalSigns) -> None:
    signs.connected(101.0)
    signs.frame(102.0)
    assert signs.verdict(106.9) is Verdict.WELL
    assert signs.verdict(107.0) is Verdict.SILENT
    assert signs.verdict(131.9) is Verdict.SILENT
    signs.frame(131.95)
    assert signs.verdict(132.0) is Verdict.WELL
    assert signs.verdict(162.0) is Verdict.GONE


def test_a_paused_learner_may_be_silent_for_long(signs: VitalSigns) -> None:
    signs.connected(101.0)
    signs.frame(102.0)
    assert signs.verdict(103.0 + 3599, paused_since=103.0) is Verdict.WELL
    assert signs.verdict(103.0 + 3600, paused_since=103.0) is Verdict.GONE
    signs.resumed(200.0)
    assert signs.verdict(204.9) is Verdict.WELL
    assert signs.verdict(230.0) is Verdict.GONE


def test_pausing_before_any_picture_puts_nothing_off(signs: VitalSigns) -> None:
    signs.connected(101.0)
    assert signs.verdict(110.9, paused_since=102.0) is Verdict.WELL
    assert signs.verdict(111.0, paused_since=102.0) is Verdict.GONE
    signs.resumed(110.0)
    assert signs.verdict(111.0) is Verdict.GONE


def test_who_was_seen_before_the_connection_broke_may_stay_paused() -> None:
    signs = VitalSigns(Deadlines(), now=100.0, seen_before=True)
    signs.connected(101.0)
    assert signs.verdict(101.0 + 3599, paused_since=50.0) is Verdict.WELL
    assert signs.verdict(101.0 + 3600, paused_since=50.0) is Verdict.GONE


def test_pausing_and_resuming_again_and_again_is_no_sign_of_life(signs: VitalSigns) -> None:
    signs.connected(101.0)
    signs.frame(102.0)
    for second in range(10):
        signs.resumed(110.0 + 5 * second)
    assert signs.verdict(139.9) is Verdict.SILENT
    assert signs.verdict(140.0) is Verdict.GONE
    signs.frame(140.0)
    signs.resumed(160.0)
    assert signs.verdict(161.0) is Verdict.WELL


def test_no_peer_lasts_for_ever(signs: VitalSigns) -> None:
    signs.connected(101.0)
    end = 100.0 + Deadlines().max_age_s
    signs.frame(end)
    assert signs.verdict(end - 0.1) is Verdict.WELL
    assert signs.verdict(end) is Verdict.OLD


def test_a_new_connection_makes_no_session_younger() -> None:
    signs = VitalSigns(Deadlines(max_age_s=3600.0), now=100.0, age_s=3500.0)
    signs.connected(100.0)
    signs.frame(199.0)
    assert signs.verdict(199.9) is Verdict.WELL
    assert signs.verdict(200.0) is Verdict.OLD

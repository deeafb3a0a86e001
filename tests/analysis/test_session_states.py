"""The rules of a FocusSession's life, and of a peer's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtc_server.analysis import session_states
from rtc_server.analysis.session_states import PeerLife, PeerState, SessionEvent, SessionLife, SessionOver, SessionState
from rtc_server.record import EndReason


def test_the_table_in_the_text_is_the_one_that_holds() -> None:
    text = session_states.__doc__ or ""
    table = text.partition("FocusSession   taken")[2].partition("\n\n")[0].splitlines()[2:]
    events = (SessionEvent.TAKEN, SessionEvent.CONNECTED, SessionEvent.LOST, SessionEvent.ENDED)
    written = {}
    for line in table:
        state, *following = line.split()
        written[SessionState[state]] = {
            event: SessionState[name] for event, name in zip(events, following, strict=True) if name != "-"
        }
    assert written == session_states._SESSION_TRANSITIONS


PEERS = st.sampled_from(["one", "other"])
REASONS = st.sampled_from(EndReason)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), PEERS, REASONS),
        st.tuples(st.just("connected"), PEERS, REASONS),
        st.tuples(st.just("lose"), PEERS, REASONS),
        st.tuples(st.just("end"), PEERS | st.none(), REASONS | st.none()),
    ),
    max_size=12,
)


@given(STEPS)
def test_what_has_ended_stays_so_and_only_its_holder_ends_it(steps: list[tuple[str, str, EndReason]]) -> None:
    life = SessionLife()
    holder = None
    for step, peer, reason in steps:
        before, reason_before = life.state, life.end_reason
        if step == "take":
            if before is SessionState.ENDED:
                with pytest.raises(SessionOver):
                    life.take(peer)
            else:
                life.take(peer)
                holder = peer
        elif step == "connected":
            life.connected(peer)
        elif step == "lose":
            life.lose(peer, reason)
        else:
            life.end(reason, peer)
        if step != "take" and peer not in (holder, None):
            assert life.state is before
        if before is SessionState.ENDED:
            assert (life.state, life.end_reason) == (before, reason_before)
        assert (life.end_reason is not None) == (life.state is SessionState.ENDED)
        assert life.may_be_continued == (life.state in (SessionState.LIVE, SessionState.PARKED))


def test_who_does_not_come_back_ended_for_what_its_peer_was_lost_for() -> None:
    life = SessionLife()
    life.take("one")
    life.connected("one")
    assert not life.lose("one", EndReason.SILENCE)
    assert life.end(None)
    assert life.end_reason is EndReason.SILENCE


def test_a_first_peer_that_never_connected_leaves_nothing_to_go_on_with() -> None:
    life = SessionLife()
    life.take("one")
    assert not life.may_be_continued
    assert life.lose("one", EndReason.FAILED)
    assert life.state is SessionState.ENDED


def test_of_a_peer_only_the_first_end_counts() -> None:
    life = PeerLife()
    assert life.connect()
    assert not life.connect()
    assert life.end(EndReason.STOPPED)
    assert not life.end(EndReason.FAILED)
    assert not life.connect()
    assert (life.state, life.end_reason) == (PeerState.ENDING, EndReason.STOPPED)

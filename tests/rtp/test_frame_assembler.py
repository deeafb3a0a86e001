"""A frame leaves at once when it can, and what leaves can always be decoded."""

import itertools
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rtc_server.rtp.frame_assembler import (
    GIVE_UP_S,
    KEYFRAME_REPEAT_S,
    MAX_AGE_S,
    MAX_EARLY,
    MAX_HELD,
    MAX_MISSING,
    STALLED_S,
    FrameAssembler,
)
from rtc_server.rtp.missing_packets import MAX_REQUESTS
from rtc_server.rtp.partial_frame import AssembledFrame
from rtc_server.rtp.sequence_numbers import MAX_JUMP
from tests.rtp.packets import FRAME_S, Frame, Network, Vp8Sender, push


@pytest.fixture
def assembler() -> FrameAssembler:
    return FrameAssembler("vp8")


@pytest.fixture
def sender() -> Vp8Sender:
    return Vp8Sender()


def started(assembler: FrameAssembler, sender: Vp8Sender, now: float = 0.0) -> None:
    assert len(push(assembler, sender.frame(keyframe=True).packets, now)) == 1


def contents(frames: list[AssembledFrame]) -> list[bytes]:
    return [frame.data for frame in frames]


def test_a_frame_leaves_on_its_marker(assembler: FrameAssembler, sender: Vp8Sender) -> None:
    frame = sender.frame(3, keyframe=True)
    assert push(assembler, frame.packets[:2], 1.0) == []
    (whole,) = push(assembler, frame.packets[2:], 1.1)
    assert whole.data == frame.data
    assert (whole.keyframe, whole.arrived) == (True, 1.1)
    assert whole.rtp_timestamp == frame.packets[0].timestamp
    assert not assembler.needs_timer


def test_sequence_numbers_and_picture_ids_wrap(assembler: FrameAssembler, sender: Vp8Sender) -> None:
    frames = [sender.frame(4, keyframe=number == 0) for number in range(10)]
    whole = [made for frame in frames for made in push(assembler, frame.packets, 0.0)]
    assert contents(whole) == [frame.data for frame in frames]


def test_reordered_packets_make_the_same_frames(assembler: FrameAssembler, sender: Vp8Sender) -> None:
    started(assembler, sender)
    one, two = sender.frame(3), sender.frame(2)
    mixed = [one.packets[2], two.packets[1], one.packets[0], two.packets[0], one.packets[1]]
    assert contents(push(assembler, mixed, 0.0)) == [one.data, two.data]


def test_a_keyframe_whose_packets_overtake_its_first_one(assembler: FrameAssembler, sender: Vp8Sender) -> None:
    frame = sender.frame(4, keyframe=True)
    order = [frame.packets[index] for index in (3, 1, 0, 2)]
    assert contents(push(assembler, order, 0.0)) == [frame.data]


def test_duplicates_change_nothing(assembler: FrameAssembler, sender: Vp8Sender) -> None:
    started(assembler, sender)
    frame = sender.frame(3)
    twice = [packet for packet in frame.packets for _ in range(2)] + list(frame.packets)
    assert contents(push(assembler, twice, 0.0)) == [frame.data]


def test_a_lost_packet_is_asked_for_at_once_and_again(assembler: FrameAssembler, sender: Vp8Sender) -> None:
    started(assembler, sender)
    frame = sender.frame(3)
    push(assembler, [frame.packets[0], frame.packets[2]], 0.0)
    lost = frame.packets[1].sequence
    first = assembler.feedback(0.0)
    assert first is not None
    assert first.missing == (lost,)
    assert not first.keyframe
    assert assembler.feedback(0.01) is None
    again = assembler.feedback(0.12)
    assert again is not None
    assert again.missing == (lost,)
    assert contents(push(assembler, [frame.packets[1]], 0.13)) == [frame.data]
    assert not assembler.needs_timer


def test_a_lost_marker_holds_the_frame_until_it_comes(assembler: FrameAssembler, sender: Vp8Sender) -> None:
    started(assembler, sender)
    one, two = sender.frame(2), sender.frame(2)
    assert push(assembler, [one.packets[0], *two.packets], 0.0) == []
    feedback = assembler.feedback(0.0)
    assert feedback is not None
    assert feedback.missing == (one.packets[1].sequence,)
    assert contents(push(assembler, [one.packets[1]], 0.05)) == [one.data, two.data]


def test_a_sender_that_sets_no_marker_is_read_by_timestamps(assembler: FrameAssembler, sender: Vp8Sender) -> None:
    frames = [sender.frame(2, keyframe=number == 0) for number in range(3)]
    whole = []
    for frame in frames:
        for packet in frame.packets:
            whole += assembler.push(packet.sequence, packet.timestamp, False, packet.payload, 0.0)
    assert contents(whole) == [frame.data for frame in frames[:2]]


def test_what_was_asked_for_in_vain_brings_a_keyframe_too(assembler: FrameAssembler, sender: Vp8Sender) -> None:
    started(assembler, sender)
    frame, following = sender.frame(3), sender.frame(3)
    push(assembler, [*frame.packets[1:], *following.packets], 0.0)
    said = {now / 100: assembler.feedback(now / 100) for now in range(round(GIVE_UP_S * 100))}
    keyframe_asked = [now for now, feedback in said.items() if feedback is not None and feedback.keyframe]
    assert keyframe_asked == pytest.approx([0.12, 0.32], abs=0.011), "a retransmission would have come in 100 ms"
    asked = [now for now, feedback in said.items() if feedback is not None and feedback.missing]
    assert len([now for now in asked if now > 0.12]) >= 3, "it still may come"
    assert contents(push(assembler, frame.packets[:1], 0.44)) == [frame.data, following.data]
    assert not assembler.needs_timer
    assert assembler.feedback(0.6) is None


def test_a_gap_is_given_up_and_a_keyframe_asked_for_until_it_comes(
    assembler: FrameAssembler, sender: Vp8Sender
) -> None:
    started(assembler, sender)
    frame, following = sender.frame(3), sender.frame(3)
    push(assembler, [*frame.packets[1:], *following.packets], 0.0)
    assert assembler.advance(GIVE_UP_S) == []
    said = [(now / 100, assembler.feedback(now / 100)) for now in range(round(GIVE_UP_S * 100), 200)]
    asked = [now for now, feedback in said if feedback is not None and feedback.keyframe]
    assert asked[0] == pytest.approx(GIVE_UP_S, abs=0.011)
    assert len(asked) >= 5
    assert all(feedback is None or not feedback.missing for _, feedback in said)
    assert push(assembler, sender.frame(2).packets, 2.0) == [], "not decodable without what was lost"
    keyframe = sender.frame(2, keyframe=True)
    assert contents(push(assembler, keyframe.packets, 2.1)) == [keyframe.data]
    assert not assembler.needs_timer


def test_a_keyframe_behind_the_gap_leaves_as_soon_as_it_is_whole(assembler: FrameAssembler, sender: Vp8Sender) -> None:
    started(assembler, sender)
    lost, keyframe, following = sender.frame(2), sender.frame(3, keyframe=True), sender.frame(2)
    first, second, third = keyframe.packets
    assert push(assembler, [lost.packets[1], first, third, *following.packets], 0.0) == []
    assert contents(push(assembler, [second], 0.1)) == [keyframe.data, following.data]
    assert assembler.feedback(0.1) is None
    assert push(assembler, [lost.packets[0]], 0.2) == []


def test_a_keyframe_behind_the_gap_is_gone_on_with_though_it_is_not_whole(
    assembler: FrameAssembler, sender: Vp8Sender
) -> None:
    started(assembler, sender)
    lost, keyframe = sender.frame(2), sender.frame(2, keyframe=True)
    push(assembler, [lost.packets[1]], 0.0)
    push(assembler, [keyframe.packets[0], *sender.frame(1).packets], 0.4)
    assert assembler.advance(GIVE_UP_S) == []
    assert len(push(assembler, [keyframe.packets[1]], 0.5)) == 2


def test_the_whole_keyframe_that_came_last_is_the_one_that_leaves(assembler: FrameAssembler, sender: Vp8Sender) -> None:
    started(assembler, sender)
    sender.frame(1)
    older, newer = sender.frame(2, keyframe=True), sender.frame(2, keyframe=True)
    push(assembler, [older.packets[0], *newer.packets[:1]], 0.0)
    assert contents(push(assembler, newer.packets[1:], 0.1)) == [newer.data]
    assert push(assembler, older.packets[1:], 0.1) == []


def test_a_missing_packet_is_asked_for_so_often_and_no_more(assembler: FrameAssembler, sender: Vp8Sender) -> None:
    started(assembler, sender)
    asked: dict[int, int] = {}
    keyframes = 0
    for step in range(1000):
        now = step / 100
        if step % 7 == 0:
            push(assembler, sender.frame(6).packets[::2], now)
        assembler.advance(now)
        feedback = assembler.feedback(now)
        if feedback is not None:
            keyframes += feedback.keyframe
            for sequence in feedback.missing:
                asked[sequence] = asked.get(sequence, 0) + 1
    assert max(asked.values()) <= MAX_REQUESTS
    assert keyframes <= 10 / KEYFRAME_REPEAT_S


def test_a_lost_keyframe_packet_is_recovered(assembler: FrameAssembler, sender: Vp8Sender) -> None:
    keyframe = sender.frame(4, keyframe=True)
    push(assembler, [*keyframe.packets[:2], keyframe.packets[3]], 0.0)
    feedback = assembler.feedback(0.0)
    assert feedback is not None
    assert feedback.missing == (keyframe.packets[2].sequence,)
    assert not feedback.keyframe, "it is on its way"
    assert contents(push(assembler, [keyframe.packets[2]], 0.08)) == [keyframe.data]


def test_who_joins_in_the_middle_asks_for_a_keyframe_at_once(assembler: FrameAssembler, sender: Vp8Sender) -> None:
    push(assembler, sender.frame(3).packets[1:], 5.0)
    feedback = assembler.feedback(5.0)
    assert feedback is not None
    assert feedback.keyframe
    assert feedback.missing == ()


def test_lost_padding_is_not_missed(assembler: FrameAssembler, sender: Vp8Sender) -> None:
    started(assembler, sender)
    sender.padding()
    frame = sender.frame(2)
    assert contents(push(assembler, frame.packets, 0.0)) == [frame.data]
    assert not assembler.needs_timer


def test_padding_that_came_is_no_frame(assembler: FrameAssembler, sender: Vp8Sender) -> None:
    started(assembler, sender)
    padding = sender.padding()
    frame = sender.frame(2)
    assert contents(push(assembler, [padding, *frame.packets], 0.0)) == [frame.data]


def test_no_frame_is_delivered_late(assembler: FrameAssembler, sender: Vp8Sender) -> None:
    started(assembler, sender)
    frame = sender.frame(2)
    push(assembler, frame.packets[:1], 0.0)
    assert push(assembler, frame.packets[1:], MAX_AGE_S + 0.01) == []
    feedback = assembler.feedback(MAX_AGE_S + 0.01)
    assert feedback is not None
    assert feedback.keyframe


def test_a_single_jump_is_ignored_and_a_new_stream_is_followed(assembler: FrameAssembler, sender: Vp8Sender) -> None:
    started(assembler, sender)
    stray = sender.frame(1).packets[0]
    assert assembler.push((stray.sequence + 32_767) & 0xFFFF, stray.timestamp, True, stray.payload, 0.0) == []
    frame = sender.frame(1)
    assert assembler.push(stray.sequence, stray.timestamp, True, stray.payload, 0.0)
    assert contents(push(assembler, frame.packets, 0.0)) == [frame.data]

    sender.sequence = (sender.sequence + 20_000) & 0xFFFF
    for _ in range(2):
        push(assembler, sender.frame(1).packets, 1.0)
    feedback = assembler.feedback(1.0)
    assert feedback is not None
    assert feedback.keyframe
    keyframe = sender.frame(3, keyframe=True)
    assert contents(push(assembler, keyframe.packets, 1.1)) == [keyframe.data]


def test_jumps_back_and_forth_hold_nothing(assembler: FrameAssembler, sender: Vp8Sender) -> None:
    started(assembler, sender)
    payload = sender.frame(1).packets[0].payload
    for step in range(2000):
        assembler.push((step * 32_767) & 0xFFFF, step, True, payload, 0.0)
    assert held(assembler) <= MAX_HELD + MAX_MISSING


def test_a_long_gap_is_given_up_at_once(assembler: FrameAssembler, sender: Vp8Sender) -> None:
    started(assembler, sender)
    sender.sequence = (sender.sequence + MAX_JUMP - 2) & 0xFFFF
    push(assembler, sender.frame(1).packets, 0.0)
    feedback = assembler.feedback(0.0)
    assert feedback is not None
    assert feedback.keyframe
    assert feedback.missing == ()


def test_a_frame_without_an_end_is_bounded(assembler: FrameAssembler, sender: Vp8Sender) -> None:
    endless = sender.frame(4 * MAX_HELD, keyframe=True)
    push(assembler, endless.packets[:-1], 0.0)
    assert held(assembler) <= MAX_HELD + 1
    push(assembler, [packet for _ in range(2 * MAX_EARLY) for packet in sender.frame(1).packets], 0.0)
    assert held(assembler) <= MAX_HELD + 1


def test_a_decoder_that_lost_its_way_gets_a_keyframe(assembler: FrameAssembler, sender: Vp8Sender) -> None:
    started(assembler, sender)
    assembler.wait_for_keyframe()
    feedback = assembler.feedback(0.0)
    assert feedback is not None
    assert feedback.keyframe
    assert push(assembler, sender.frame().packets, 0.0) == []
    keyframe = sender.frame(keyframe=True)
    assert contents(push(assembler, keyframe.packets, 0.1)) == [keyframe.data]


def test_a_keyframe_that_comes_again_is_not_delivered_again(assembler: FrameAssembler, sender: Vp8Sender) -> None:
    keyframe = sender.frame(2, keyframe=True)
    assert len(push(assembler, keyframe.packets, 0.0)) == 1
    assembler.wait_for_keyframe()
    assert push(assembler, keyframe.packets, 0.1) == []


def test_a_payload_of_no_form_loses_the_chain(assembler: FrameAssembler, sender: Vp8Sender) -> None:
    started(assembler, sender)
    cut = sender.frame(1).packets[0]
    assert assembler.push(cut.sequence, cut.timestamp, True, b"\x90", 0.0) == []
    assert assembler.needs_timer


# -- a keyframe that is not where the stream is


def flows_again(assembler: FrameAssembler, sender: Vp8Sender, start: float) -> float:
    """Sends as a browser does, a keyframe as soon as one is asked for; returns when a frame of it left."""
    wanted = False
    for step in range(200):
        now = start + step * 0.02
        left = assembler.advance(now)
        if step % 3 == 0:
            left += push(assembler, sender.frame(2, keyframe=wanted).packets, now)
            wanted = False
        feedback = assembler.feedback(now)
        wanted = wanted or (feedback is not None and feedback.keyframe)
        if any(frame.data in [sent.data for sent in sender.frames] for frame in left):
            return now
    raise AssertionError("No frame of the stream left again.")


@pytest.mark.parametrize("ahead", [3, 100, 200, 600, MAX_JUMP - 1])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("waiting", [False, True])
def test_a_keyframe_far_ahead_of_its_stream_is_given_up(
    assembler: FrameAssembler, sender: Vp8Sender, ahead: int, whole: bool, waiting: bool
) -> None:
    started(assembler, sender)
    if waiting:
        assembler.wait_for_keyframe()
    astray = Vp8Sender((sender.sequence + ahead - 1) & 0xFFFF, sender.timestamp, sender.picture_id).frame(
        1 if whole else 2, keyframe=True
    )
    push(assembler, astray.packets[:1], 0.1)
    assert flows_again(assembler, sender, 0.1) < 1.0


def test_a_keyframe_that_goes_no_further_is_given_up_and_another_asked_for(
    assembler: FrameAssembler, sender: Vp8Sender
) -> None:
    came = 70.0
    push(assembler, sender.frame(3, keyframe=True).packets[:1], came)
    assert assembler.advance(came + STALLED_S - 0.01) == []
    assert assembler.feedback(came + STALLED_S - 0.01) is None, "the rest may be on its way"
    assert assembler.advance(came + STALLED_S) == []
    feedback = assembler.feedback(came + STALLED_S)
    assert feedback is not None
    assert feedback.keyframe
    keyframe = sender.frame(2, keyframe=True)
    assert contents(push(assembler, keyframe.packets, came + STALLED_S + 0.1)) == [keyframe.data]


# -- in virtual time


def check_what_left(network: Network) -> list[Frame]:
    """Whole, in order, in time, and decodable. Returns the frames that left."""
    by_data = {frame.data: frame for frame in network.sender.frames}
    left = []
    for delivery in network.delivered:
        frame = by_data[delivery.frame.data]
        assert delivery.frame.keyframe == frame.keyframe
        assert delivery.at - delivery.frame.arrived <= MAX_AGE_S
        if left:
            assert frame.number > left[-1].number
            assert frame.keyframe or frame.number == left[-1].number + 1
        else:
            assert frame.keyframe
        left.append(frame)
    return left


def held(assembler: FrameAssembler) -> int:
    return len(assembler._held) + len(assembler._frame) + len(assembler._missing)


def longest_silence(network: Network) -> float:
    times = [delivery.at for delivery in network.delivered]
    return max(later - earlier for earlier, later in itertools.pairwise(times))


def stale_share(network: Network, frames: int) -> float:
    times = [delivery.at for delivery in network.delivered]
    return sum(max(0.0, later - earlier - 0.5) for earlier, later in itertools.pairwise(times)) / (frames * FRAME_S)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.01, 0.05, 0.2, 0.5]), st.sampled_from([0.0, 0.03, 0.2]))
@example(0, 0.0, 0.2)
def test_whatever_the_network_does(seed: int, loss: float, jitter_s: float) -> None:
    dice = random.Random(seed)

    def fate(_: int) -> list[float]:
        copies = 0 if dice.random() < loss else 2 if dice.random() < 0.05 else 1
        return [dice.random() * jitter_s for _ in range(copies)]

    network = Network(fate, feedback_gets_through=lambda _: dice.random() >= loss)
    network.run(45, lambda _: dice.randint(1, 6))
    left = check_what_left(network)
    assert held(network.assembler) <= MAX_HELD + MAX_MISSING
    if loss == 0 and jitter_s <= 0.03:
        assert len(left) == 45


def test_the_first_packet_of_a_keyframe_is_asked_for_too(assembler: FrameAssembler, sender: Vp8Sender) -> None:
    push(assembler, sender.frame(1).packets, 0.0)
    assembler.feedback(0.0)
    keyframe = sender.frame(3, keyframe=True)
    push(assembler, keyframe.packets[1:], 0.1)
    assembler.advance(0.1)
    feedback = assembler.feedback(0.1)
    assert feedback is not None
    assert feedback.missing == (keyframe.packets[0].sequence,)
    assert contents(push(assembler, keyframe.packets[:1], 0.15)) == [keyframe.data]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.05, 0.1]))
@example(0, 0.1)
def test_behind_a_hundred_milliseconds_it_flows_whatever_is_lost(seed: int, loss: float) -> None:
    dice = random.Random(seed)
    network = Network(
        lambda _: [] if dice.random() < loss else [0.0],
        round_trip_s=0.1,
        feedback_gets_through=lambda _: dice.random() >= loss,
    )
    network.run(300)
    check_what_left(network)
    assert longest_silence(network) < 1.0
    assert stale_share(network, 300) < 0.02


def test_after_a_black_out_it_goes_on_with_a_keyframe() -> None:
    network = Network(lambda sent: [] if 30 <= sent < 90 else [0.0])
    network.run(60)
    left = check_what_left(network)
    assert not [frame for frame in left if 10 <= frame.number < 30], "too old by then"
    assert left[-1].number == 59
    assert len([frame for frame in left if frame.keyframe]) == 2


def test_a_keyframe_after_a_black_out_is_the_one_that_is_used(assembler: FrameAssembler, sender: Vp8Sender) -> None:
    started(assembler, sender)
    sender.frame(9)
    keyframe = sender.frame(2, keyframe=True)
    assert contents(push(assembler, keyframe.packets, 1.0)) == [keyframe.data]


# -- H.264


def test_h264_begins_with_parameters_and_goes_on_after_a_loss() -> None:
    assembler = FrameAssembler("h264")
    start = b"\x00\x00\x00\x01"

    def take(sequence: int, timestamp: int, payload: bytes, now: float, *, marker: bool) -> list[AssembledFrame]:
        return assembler.push(sequence, timestamp, marker, payload, now)

    assert take(1, 0, b"\x41slice", 0.0, marker=True) == []
    assert take(2, 3000, b"\x67sps", 0.1, marker=False) == []
    assert take(3, 3000, b"\x68pps", 0.1, marker=False) == []
    assert take(4, 3000, b"\x7c\x85idr-", 0.1, marker=False) == []
    (keyframe,) = take(5, 3000, b"\x7c\x45end", 0.1, marker=True)
    assert keyframe.data == start + b"\x67sps" + start + b"\x68pps" + start + b"\x65idr-end"
    assert keyframe.keyframe
    (frame,) = take(6, 6000, b"\x41slice", 0.2, marker=True)
    assert (frame.data, frame.keyframe) == (start + b"\x41slice", False)

    assert take(8, 9000, b"\x5cfragment without its start", 0.3, marker=True) == []
    given_up = 0.301 + GIVE_UP_S
    assert assembler.advance(given_up) == []
    feedback = assembler.feedback(given_up)
    assert feedback is not None
    assert feedback.keyframe
    assert take(9, 12000, b"\x41slice", 0.77, marker=True) == []
    assert take(10, 15000, b"\x67sps", 0.8, marker=False) == []
    assert len(take(11, 15000, b"\x65idr", 0.8, marker=True)) == 1

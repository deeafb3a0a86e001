"""What is sent by hand is what the model says."""

import json
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from rtc_server.channel.messages import Direction, TrackingUpdate, metrics_of
from rtc_server.channel.update_text import update_text
from rtc_server.focus.state import Angles, FocusSnapshot, FocusState, GazeDirection, Reason, Totals

degrees = st.floats(-180, 180)
seconds = st.floats(0, 1e6)
shares = st.floats(0, 1)
totals = st.builds(Totals, seconds, seconds, seconds, st.integers(0, 10**6), st.integers(0, 10**6), seconds)
angles = st.none() | st.builds(Angles, degrees, degrees, degrees)
snapshots = st.builds(
    FocusSnapshot,
    media_time_s=seconds,
    state=st.sampled_from(FocusState),
    reason=st.sampled_from(Reason),
    gaze_direction=st.sampled_from(GazeDirection),
    confidence=shares,
    head=angles,
    gaze=angles,
    eye_openness=st.none() | st.floats(0, 5),
    face_count=st.integers(0, 4),
    brightness=st.floats(0, 255),
    perclos=st.none() | shares,
    totals=totals,
    changing_to=st.none() | st.sampled_from(FocusState),
    changing_since_s=st.none() | seconds,
)


def expected(snapshot: FocusSnapshot, rtp_timestamp: int, server_ms: float, timestamp: datetime) -> TrackingUpdate:
    return TrackingUpdate(
        is_focused=snapshot.state is FocusState.FOCUSED,
        gaze_direction=snapshot.gaze_direction,
        metrics=metrics_of(snapshot.totals, snapshot.state),
        timestamp=timestamp,
        state=snapshot.state,
        reason=snapshot.reason,
        confidence=round(snapshot.confidence, 3),
        head_pose=direction(snapshot.head),
        gaze=direction(snapshot.gaze),
        eye_openness=None if snapshot.eye_openness is None else round(snapshot.eye_openness, 3),
        face_count=snapshot.face_count,
        perclos=None if snapshot.perclos is None else round(snapshot.perclos, 3),
        changing_to=snapshot.changing_to,
        changing_since_s=None if snapshot.changing_since_s is None else round(snapshot.changing_since_s, 3),
        media_time_s=round(snapshot.media_time_s, 3),
        rtp_timestamp=rtp_timestamp,
        server_ms=round(server_ms, 2),
    )


def direction(seen: Angles | None) -> Direction | None:
    return seen and Direction(round(seen.yaw_deg, 1), round(seen.pitch_deg, 1), round(seen.roll_deg, 1))


@given(snapshots, st.integers(0, 2**32 - 1), st.floats(0, 1e5))
def test_an_update_reads_as_its_model(snapshot: FocusSnapshot, rtp_timestamp: int, server_ms: float) -> None:
    text = update_text(snapshot, rtp_timestamp, server_ms)
    update = TrackingUpdate.model_validate_json(text, strict=True)
    assert update == expected(snapshot, rtp_timestamp, server_ms, update.timestamp)
    # Not a key more or less, in the model's order.
    said, modelled = json.loads(text), json.loads(update.model_dump_json())
    assert list(said) == list(modelled)
    assert said | {"timestamp": ""} == modelled | {"timestamp": ""}


SNAPSHOT = FocusSnapshot(
    media_time_s=12.933000000000002,
    state=FocusState.FOCUSED,
    reason=Reason.ON_SCREEN,
    gaze_direction=GazeDirection.CENTERED,
    confidence=0.7,
    head=Angles(0.1 + 0.2, 4.0, 0.0),
    gaze=None,
    eye_openness=1.0,
    face_count=1,
    brightness=100.0,
    perclos=None,
    totals=Totals(0.1 + 0.2, 0.0, 0.0, 1, 0),
)


def test_an_update_is_short() -> None:
    text = update_text(SNAPSHOT, 2**32 - 1, 12.93)
    assert " " not in text
    assert "0000000" not in text
    assert len(text) < 640


def test_an_update_says_when_in_utc_to_the_millisecond() -> None:
    timestamp = json.loads(update_text(SNAPSHOT, 0, 0.0))["timestamp"]
    said = datetime.strptime(timestamp, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    assert len(timestamp) == len("2026-01-01T00:00:00.000Z")
    assert timedelta(0) <= datetime.now(UTC) - said < timedelta(seconds=5)

"""A `tracking_update` as it is sent: a form that is filled in.

There are fifteen a second for each learner, and this takes half the time of making a model and having it written.
"""

import time
from datetime import UTC, datetime
from functools import lru_cache

from rtc_server.focus.state import Angles, FocusSnapshot, FocusState

_FORM = (
    '{"version":1,"type":"tracking_update","is_focused":%s,"gaze_direction":"%s",'
    '"metrics":{"focused_time":%.12g,"unfocused_time":%.12g,"unknown_time":%.12g,"total_time":%.12g,'
    '"focus_percentage":%.1f,"focus_sessions":%d,"unfocus_sessions":%d,"current_state":"%s"},'
    '"timestamp":"%s","state":"%s","reason":"%s","confidence":%.3f,"head_pose":%s,"gaze":%s,"eye_openness":%s,'
    '"face_count":%d,"perclos":%s,"changing_to":%s,"changing_since_s":%s,"media_time_s":%.3f,"rtp_timestamp":%d,"server_ms":%.2f}'
)
"""Of totals, which are rounded and often 0 or 12.5, `g` writes no zeros behind."""
_DIRECTION = '{"yaw_deg":%.1f,"pitch_deg":%.1f,"roll_deg":%.1f}'


def update_text(snapshot: FocusSnapshot, rtp_timestamp: int, server_ms: float) -> str:
    """A `messages.TrackingUpdate`. `server_ms`: from the frame's last packet to now."""
    totals, state = snapshot.totals, snapshot.state
    focused, unfocused, unknown = round(totals.focused_s, 3), round(totals.unfocused_s, 3), round(totals.unknown_s, 3)
    return _FORM % (
        "true" if state is FocusState.FOCUSED else "false",
        snapshot.gaze_direction,
        focused,
        unfocused,
        unknown,
        focused + unfocused,
        totals.focus_percentage,
        totals.focused_stretches,
        totals.unfocused_stretches,
        state,
        _timestamp(),
        state,
        snapshot.reason,
        snapshot.confidence,
        _direction(snapshot.head),
        _direction(snapshot.gaze),
        _share(snapshot.eye_openness),
        snapshot.face_count,
        _share(snapshot.perclos),
        "null" if snapshot.changing_to is None else f'"{snapshot.changing_to}"',
        _share(snapshot.changing_since_s),
        snapshot.media_time_s,
        rtp_timestamp,
        server_ms,
    )


def _direction(angles: Angles | None) -> str:
    return "null" if angles is None else _DIRECTION % (angles.yaw_deg, angles.pitch_deg, angles.roll_deg)


def _share(value: float | None) -> str:
    return "null" if value is None else f"{value:.3f}"


def _timestamp() -> str:
    """Now, in UTC, to the millisecond."""
    second, millisecond = divmod(time.time_ns() // 1_000_000, 1000)
    return f"{_to_the_second(second)}.{millisecond:03}Z"


@lru_cache(maxsize=1)
def _to_the_second(unix_s: int) -> str:
    """The same for every update within it."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")

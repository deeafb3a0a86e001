"""An analysis as a table, as JSON and as a few lines for a person."""

import csv
from pathlib import Path
from typing import Any

from rtc_server.focus.state import Angles, FocusSnapshot
from rtc_server.offline.analysis import Analysis

COLUMNS = (
    "media_time_s",
    "state",
    "live_state",
    "reason",
    "gaze_direction",
    "confidence",
    "head_yaw_deg",
    "head_pitch_deg",
    "head_roll_deg",
    "gaze_yaw_deg",
    "gaze_pitch_deg",
    "eye_openness",
    "face_count",
    "brightness",
)


def write_trace(analysis: Analysis, path: Path) -> None:
    """One row for each analysed frame: `state` and `reason` as finally attributed, `live_state` as said then."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for said, state, reason in analysis.attributed():
            rows.writerow((_plain(said.media_time_s), state, said.state, reason, said.gaze_direction, *_measured(said)))


def summary(analysis: Analysis) -> dict[str, Any]:
    """The totals in the words of the live payload, unrounded, and every span."""
    totals = analysis.totals
    return {
        "policy": str(analysis.policy),
        "frames": len(analysis.snapshots),
        "duration_s": analysis.duration_s,
        **totals.metrics(),
        "multiple_faces_time": totals.multiple_faces_s,
        "perclos": analysis.snapshots[-1].perclos if analysis.snapshots else None,
        "spans": [
            {"start_s": span.start_s, "end_s": span.end_s, "state": span.state, "reason": span.reason}
            for span in analysis.spans
        ],
        "multiple_faces": [{"start_s": start_s, "end_s": end_s} for start_s, end_s in analysis.multiple_faces],
    }


def sentences(name: str, analysis: Analysis) -> str:
    """For a terminal."""
    totals = analysis.totals
    known = f"{totals.focused_s:.1f} s of {totals.total_s:.1f} s, {totals.unknown_s:.1f} s unknown"
    judged = f"{len(analysis.snapshots)} frames, {analysis.policy}"
    lines = [f"{name}: {totals.focus_percentage:.1f} % focused ({known}; {judged})"]
    lines += [f"  {s.start_s:8.2f} to {s.end_s:8.2f} s  {s.state:<9}  {s.reason}" for s in analysis.spans]
    lines += [f"  {start:8.2f} to {end:8.2f} s  a second person" for start, end in analysis.multiple_faces]
    return "\n".join(lines)


def _measured(said: FocusSnapshot) -> tuple[str, ...]:
    head, gaze = _angles(said.head), _angles(said.gaze)
    return (
        _plain(said.confidence),
        *head,
        *gaze[:2],
        _plain(said.eye_openness),
        str(said.face_count),
        _plain(said.brightness),
    )


def _angles(angles: Angles | None) -> tuple[str, str, str]:
    if angles is None:
        return "", "", ""
    return _plain(angles.yaw_deg), _plain(angles.pitch_deg), _plain(angles.roll_deg)


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"

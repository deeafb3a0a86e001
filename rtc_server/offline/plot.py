"""An analysis as a picture: angles over time, lids, and a strip of states."""

import math
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from rtc_server.focus.state import Angles, FocusState
from rtc_server.offline.analysis import Analysis

COLOURS = {FocusState.FOCUSED: "#2a9d55", FocusState.UNFOCUSED: "#d9822b", FocusState.UNKNOWN: "#b8bcc4"}
"""As on the page: no red, nobody is at fault."""
_NAN = math.nan


def draw(analysis: Analysis, path: Path, title: str) -> None:
    """Write a PNG or SVG, by the path's suffix."""
    with mpl.rc_context({"svg.hashsalt": "rtc-server", "font.size": 9}):
        figure = Figure(figsize=(9, 5.2), layout="constrained")
        FigureCanvasAgg(figure)
        yaw, pitch, lids, strip = figure.subplots(4, 1, sharex=True, height_ratios=(3, 3, 2, 1))
        times = [said.media_time_s for said in analysis.snapshots]
        heads = [said.head for said in analysis.snapshots]
        gazes = [said.gaze for said in analysis.snapshots]
        yaw.set_title(title, loc="left")
        for axes, name, part in ((yaw, "yaw °\n(right +)", _yaw), (pitch, "pitch °\n(up +)", _pitch)):
            axes.plot(times, [part(head) for head in heads], color="#8a93a6", label="head")
            axes.plot(times, [part(gaze) for gaze in gazes], color="#1f5fa8", label="gaze")
            axes.set_ylabel(name)
            axes.grid(alpha=0.3)
        yaw.legend(loc="upper right", ncols=2)
        lids.plot(
            times, [_NAN if s.eye_openness is None else s.eye_openness for s in analysis.snapshots], color="#6a4c93"
        )
        lids.set_ylabel("lids\n(1 open)")
        lids.set_ylim(0, 1.5)
        lids.grid(alpha=0.3)
        for span in analysis.spans:
            strip.axvspan(span.start_s, span.end_s, color=COLOURS[span.state], lw=0)
            strip.text(span.start_s, 0.5, f" {span.reason.replace('_', ' ')}", va="center", fontsize=7, clip_on=True)
        strip.set_yticks([])
        strip.set_xlabel("seconds")
        strip.legend(
            handles=[Patch(color=colour, label=state) for state, colour in COLOURS.items()],
            loc="upper center", bbox_to_anchor=(0.5, -0.9), ncols=3, frameon=False,
        )  # fmt: skip
        figure.savefig(path, dpi=110, metadata={"Date": None} if path.suffix == ".svg" else None)


def _yaw(angles: Angles | None) -> float:
    return angles.yaw_deg if angles else _NAN


def _pitch(angles: Angles | None) -> float:
    return angles.pitch_deg if angles else _NAN

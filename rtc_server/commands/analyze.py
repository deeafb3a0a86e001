"""`rtc-server analyze`: judge recordings offline, by the same way from frame to totals as live."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from tqdm import tqdm

from rtc_server.errors import OutputUnwritable
from rtc_server.focus.observation import FaceObservation
from rtc_server.focus.policy import POLICIES
from rtc_server.offline.analysis import Analysis, analyse
from rtc_server.offline.observation_file import written
from rtc_server.offline.trace import sentences, summary, write_trace
from rtc_server.settings import Settings

HELP = "analyse video files offline, exactly as if they had been live; write a trace, a plot, or observations"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("clips", metavar="CLIP", nargs="+", type=Path, help="a video file")
    parser.add_argument("--fps", type=_rate, default=15.0, help="frames a second to analyse at most (15)")
    parser.add_argument(
        "--observations", type=Path, metavar="OUT.ndjson", help="keep the landmark geometry of each frame, for `replay`"
    )
    add_output_arguments(parser)


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """What `analyze` and `replay` share."""
    parser.add_argument(
        "--policy",
        choices=sorted(POLICIES),
        default="reading",
        help="what the learner does, which decides what counts as focus (reading)",
    )
    parser.add_argument("--trace", type=Path, metavar="OUT.csv", help="a row for each analysed frame")
    parser.add_argument(
        "--plot", type=_plot, metavar="OUT.png", help="a picture of angles and states over time; needs matplotlib"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, and nothing else, on stdout")


def run(arguments: argparse.Namespace, _: Settings) -> int:
    from rtc_server.media.clip import Clip, observe_clip  # MediaPipe takes a second to import

    results = []
    for clip in arguments.clips:
        with Clip(clip) as opened:
            frames = opened.frame_count(arguments.fps)
        observations = _with_progress(observe_clip(clip, arguments.fps), frames, clip.name)
        if arguments.observations:
            observations = written(observations, _for_clip(arguments.observations, clip, arguments.clips))
        with writing_files():
            analysis = analyse(observations, POLICIES[arguments.policy])
        trace, plot = (path and _for_clip(path, clip, arguments.clips) for path in (arguments.trace, arguments.plot))
        output(analysis, clip.name, trace, plot)
        results.append((clip, analysis))
    report(results, as_json=arguments.json)
    return 0


def output(analysis: Analysis, title: str, trace: Path | None, plot: Path | None) -> None:
    """Write the files that were asked for."""
    with writing_files():
        if trace:
            write_trace(analysis, trace)
        if plot:
            from rtc_server.offline.plot import draw  # matplotlib takes a second to import

            draw(analysis, plot, title)


@contextmanager
def writing_files() -> Iterator[None]:
    """:raises OutputUnwritable: for a path that cannot be written."""
    try:
        yield
    except OSError as error:
        raise OutputUnwritable(f"{error.filename} cannot be written: {error.strerror}.") from None


def report(results: Iterable[tuple[Path, Analysis]], *, as_json: bool) -> None:
    """Say what came out, on stdout."""
    if as_json:
        json.dump(
            {"clips": [{"clip": str(path), **summary(analysis)} for path, analysis in results]}, sys.stdout, indent=1
        )
        print()
    else:
        for path, analysis in results:
            print(sentences(path.name, analysis))


def _with_progress(observations: Iterator[FaceObservation], frames: int, name: str) -> Iterator[FaceObservation]:
    tqdm.monitor_interval = 0  # its watching thread is for bars that update by leaps
    with tqdm(total=frames, desc=name, unit="frame", file=sys.stderr, leave=False, disable=None) as bar:
        for observation in observations:
            bar.update()
            yield observation


def _for_clip(path: Path, clip: Path, clips: list[Path]) -> Path:
    """Of several clips each gets its own file: OUT.csv becomes OUT.CLIP.csv."""
    return path if len(clips) == 1 else path.with_name(f"{path.stem}.{clip.stem}{path.suffix}")


def _plot(text: str) -> Path:
    # Said before an hour of video is analysed, not after it.
    if find_spec("matplotlib") is None:
        raise argparse.ArgumentTypeError("plots need matplotlib: pip install 'rtc-server[plot]'")
    return Path(text)


def _rate(text: str) -> float:
    rate = float(text)
    if not 0 < rate <= 240:
        raise argparse.ArgumentTypeError("frames a second must be above 0 and at most 240")
    return rate

"""How right the judgement is, on labelled clips: `python -m bench accuracy --clips DIR --truth CSV`.

Frames labelled `focused` should be FOCUSED; frames labelled as anything else that is known should be
UNFOCUSED. UNKNOWN counts as wrong. `uncertain` is not scored, nor is `multiple_faces` as a state.
"""

import argparse
import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bench.accuracy_in_chromium import chromium_report
from bench.accuracy_page import page
from bench.degraded import Conditions, analyse_degraded
from bench.labels import Label, read_subjects, read_truth
from bench.leave_one_out import LabelledClip, curve, leave_one_out, sensitivity
from bench.observations import observations
from bench.processes import stolen_s
from bench.report import write
from bench.scoring import Score, score, total
from rtc_server.focus.policy import POLICIES, Policy
from rtc_server.focus.state import Reason
from rtc_server.offline.analysis import analyse

PAGE = Path(__file__).parents[1] / "docs" / "accuracy.md"
HELP = "right and wrong frames of labelled clips"


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench accuracy", description=HELP)
    parser.add_argument("--clips", type=Path, required=True, help="folder of the clips")
    parser.add_argument("--truth", type=Path, required=True, help="CSV of file, start_s, end_s, state")
    parser.add_argument("--by", type=Path, metavar="CSV", help="also by kind of person: CSV of file, person, kinds")
    parser.add_argument("--leave-one-out", action="store_true", help="tune on all people but one, in turn (with --by)")
    parser.add_argument("--sensitivity", action="store_true", help="move each constant by 15 %% up and down")
    parser.add_argument("--curve", action="store_true", help="delay of changes against false changes")
    parser.add_argument("--observations", type=Path, metavar="DIR", help="keep what was seen, to judge it again")
    parser.add_argument("--fps", type=float, default=15.0)
    parser.add_argument("--size", type=_size, help="shrink to fit into WIDTHxHEIGHT first")
    parser.add_argument("--vp8", metavar="RATE", type=_bit_rate, help="send through VP8 at so many bit/s first (250k)")
    parser.add_argument("--adaptive", action="store_true", help="skip still pictures, as a server does by default")
    parser.add_argument("--chromium", action="store_true", help="through Chromium, beside the same from files")
    parser.add_argument("--only", metavar="TEXT", help="clips whose name holds this")
    parser.add_argument("--policy", choices=sorted(POLICIES), default="reading")
    parser.add_argument("--write", action="store_true", help="into docs/accuracy.md (--chromium: benchmarks.md)")
    parser.add_argument("--json", action="store_true", help="only JSON on stdout")
    arguments = parser.parse_args(argv)
    if arguments.leave_one_out and not arguments.by:
        parser.error("--leave-one-out needs --by: which person is in which clip")
    if arguments.observations:
        arguments.observations.mkdir(parents=True, exist_ok=True)
    if arguments.chromium:
        return _in_chromium(arguments, read_truth(arguments.truth))
    report = _report(arguments, read_truth(arguments.truth))
    if arguments.write:
        older = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
        PAGE.write_text(page(report, older), encoding="utf-8")
    if arguments.json:
        json.dump(report, sys.stdout, indent=1)
        print()
    else:
        _print(report)
    return 0


def _report(arguments: argparse.Namespace, truth: Mapping[str, list[Label]]) -> dict[str, Any]:
    policy = POLICIES[arguments.policy]
    names = sorted(name for name in truth if (arguments.only or "") in name)
    scores, clips = _scored(arguments, names, truth, policy)
    overall = total(scores.values())
    report: dict[str, Any] = {
        "bench": "accuracy",
        "fps": arguments.fps,
        "size": arguments.size and "x".join(map(str, arguments.size)),
        "vp8_bit_rate": arguments.vp8,
        "adaptive": arguments.adaptive,
        "policy": str(policy),
        "overall": overall.report(),
        "mean_abs_focused_time_error_s": round(statistics.fmean(abs(s.focused_error_s) for s in scores.values()), 3),
        "reasons": _confusion(overall.reasons),
        "reliability": [[count, round(said, 3), round(right, 3)] for count, said, right in overall.reliability()],
        "clips": {name: one.report() for name, one in scores.items()},
    }
    if arguments.by:
        report["kinds"] = {
            kind: {"people": people, **one.report()} for kind, (people, one) in _by_kind(scores, arguments.by).items()
        }
    if arguments.leave_one_out:
        report["leave_one_out"] = leave_one_out(clips, policy)
    if arguments.sensitivity:
        report["sensitivity"] = sensitivity(clips, policy)
    if arguments.curve:
        report["curve"] = curve(clips, policy)
    return report


def _scored(
    arguments: argparse.Namespace, names: Sequence[str], truth: Mapping[str, list[Label]], policy: Policy
) -> tuple[dict[str, Score], list[LabelledClip]]:
    """And the clips themselves, to judge them again, where none of their pictures was skipped."""
    conditions = Conditions(arguments.fps, arguments.size, arguments.vp8, arguments.adaptive)
    subjects = read_subjects(arguments.by) if arguments.by else {}
    scores: dict[str, Score] = {}
    clips: list[LabelledClip] = []
    for name in tqdm(names, file=sys.stderr, unit="clip", leave=False, disable=None):
        path = arguments.clips / name
        if arguments.adaptive:
            scores[name] = score(analyse_degraded(path, conditions, policy), truth[name])
            continue
        seen = observations(path, conditions, arguments.observations)
        scores[name] = score(analyse(seen, policy), truth[name])
        subject = subjects.get(name)
        clips.append(LabelledClip(name, subject.person if subject else "", seen, tuple(truth[name])))
    return scores, clips


def _in_chromium(arguments: argparse.Namespace, truth: Mapping[str, list[Label]]) -> int:
    from bench.through_chromium import analyses  # a browser is needed for this alone

    policy = POLICIES[arguments.policy]
    names = sorted(name for name in truth if (arguments.only or "") in name)
    began, stolen = time.monotonic(), stolen_s()
    played = analyses((arguments.clips / name for name in names), policy)
    stolen_share = (stolen_s() - stolen) / (time.monotonic() - began)
    conditions = Conditions(15.0, adaptive=True)
    report = chromium_report(
        {name: score(played[arguments.clips / name], truth[name]) for name in names},
        {name: score(analyse_degraded(arguments.clips / name, conditions, policy), truth[name]) for name in names},
        read_subjects(arguments.by) if arguments.by else {},
        stolen_share,
    )
    clip_name = f"{len(names)} labelled clips"
    if arguments.write:
        write(report, clip_name)
    print(json.dumps(report.as_json(), indent=1) if arguments.json else report.as_markdown(clip_name))
    return 0


def _by_kind(scores: Mapping[str, Score], path: Path) -> dict[str, tuple[int, Score]]:
    """Of each kind the number of people, and what all their scored clips come to."""
    people: dict[str, set[str]] = defaultdict(set)
    parts: dict[str, list[Score]] = defaultdict(list)
    for name, subject in read_subjects(path).items():
        if name in scores and scores[name].frames and subject.person:
            for kind in ("everybody", *(subject.kinds or ("nothing_special",))):
                people[kind].add(subject.person)
                parts[kind].append(scores[name])
    return {kind: (len(people[kind]), total(parts[kind])) for kind in sorted(parts)}


def _confusion(reasons: Mapping[tuple[str, Reason], int]) -> dict[str, dict[str, int]]:
    table: dict[str, dict[str, int]] = defaultdict(dict)
    for (label, reason), count in sorted(reasons.items()):
        table[label][reason] = count
    return dict(table)


def _print(report: Mapping[str, Any]) -> None:
    print(f"{'clip':<58}{'frames':>7}{'final':>8}{'bal.':>8}{'live':>8}{'unknown':>9}")
    for name, one in [*report["clips"].items(), ("overall", report["overall"])]:
        if one["frames"]:
            shares = (one[key] for key in ("accuracy", "balanced_accuracy", "live_accuracy", "unknown_share"))
            print(
                f"{name:<58}{one['frames']:>7}" + "{:>8.1f}{:>8.1f}{:>8.1f}{:>9.1f}".format(*(100 * s for s in shares))
            )
    for label, row in report["reasons"].items():
        print(f"{label:<14}" + "  ".join(f"{reason} {count}" for reason, count in row.items()))
    for kind, one in report.get("kinds", {}).items():
        print(
            f"{kind:<20}{one['people']:>3} people {one['frames']:>6} frames"
            f"{100 * one['accuracy']:>8.1f} final{100 * one['live_accuracy']:>8.1f} live"
        )
    overall = report["overall"]
    print(f"delay {overall['change_delay_s']}, after dating back {overall['final_change_error_s']}")
    print(f"false changes an hour: {overall['false_changes_per_hour']} stored, ", end="")
    print(f"{overall['live_false_changes_per_hour']} live; ", end="")
    print(f"second person {overall['multiple_faces_found_s']} s of {overall['multiple_faces_truth_s']} s")
    print(f"calibration error of confidence {overall['calibration_error']}; frames, confidence, right:")
    for count, said, right in report["reliability"]:
        print(f"{count:>8}{said:>8.2f}{right:>8.2f}")
    if "leave_one_out" in report:
        _print_leave_one_out(report["leave_one_out"])
    for row in report.get("sensitivity", ()):
        points = "{less:>+8.2f}{more:>+8.2f} points stored{less_live:>+8.2f}{more_live:>+8.2f} live".format(**row)
        print(f"{row['constant']:<44}{row['value']:>10.4g}{points}")
    for row in report.get("curve", ()):
        print(f"patience x{row['patience']:<6g}delay {row['delay_s']} s", end="")
        print(f"{row['live_false_changes_per_hour']:>8} false an hour{100 * row['live_accuracy']:>8.1f} live")


def _print_leave_one_out(found: Mapping[str, Any]) -> None:
    print("tuned on everybody else:")
    for person, one in found["people"].items():
        moved = ", ".join(f"{name} x{factor:g}" for name, factor in one["moved"].items()) or "as they are"
        if one["frames"]:
            print(
                f"{person:<14}{one['frames']:>7}{100 * one['accuracy']:>8.1f} final"
                f"{100 * one['live_accuracy']:>8.1f} live  {moved}"
            )
    overall = found["overall"]
    print(f"together: {100 * overall['accuracy']:.2f} % final, {100 * overall['live_accuracy']:.2f} % live")


def _size(text: str) -> tuple[int, int]:
    width, height = text.lower().split("x")
    return int(width), int(height)


def _bit_rate(text: str) -> int:
    return int(float(text.removesuffix("k")) * 1000) if text.endswith("k") else int(text)

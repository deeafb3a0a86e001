"""`rtc-server replay`: judge observations that `analyze` kept, under the same or another policy."""

import argparse
from pathlib import Path

from rtc_server.commands.analyze import add_output_arguments, output, report
from rtc_server.focus.policy import POLICIES
from rtc_server.offline.analysis import analyse
from rtc_server.offline.observation_file import read
from rtc_server.settings import Settings

HELP = "analyse kept observations again, under the same policy or another"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("observations", metavar="OBS.ndjson", type=Path, help="as kept by `analyze --observations`")
    add_output_arguments(parser)


def run(arguments: argparse.Namespace, _: Settings) -> int:
    analysis = analyse(read(arguments.observations), POLICIES[arguments.policy])
    output(analysis, arguments.observations.name, arguments.trace, arguments.plot)
    report([(arguments.observations, analysis)], as_json=arguments.json)
    return 0

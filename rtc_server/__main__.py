"""The command line: `rtc-server`, or `python -m rtc_server`."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from pydantic import ValidationError

from rtc_server import __version__
from rtc_server.errors import RtcServerError, SettingsError
from rtc_server.settings import Settings

COMMANDS = ("serve", "publish", "analyze", "replay", "token", "check", "database", "erase", "outbox", "turn_config")

EXIT_FAILURE, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130


def main(argv: Sequence[str] | None = None) -> NoReturn:
    sys.exit(_run(command_line().parse_args(argv)))


def command_line() -> argparse.ArgumentParser:
    """The command line, of which the README's table is made too."""
    parser = argparse.ArgumentParser(
        prog="rtc-server",
        description="A learner's webcam comes in over WebRTC. Whether face and eyes are turned to the screen goes "
        "back, live and as rows in the platform's database.",
        epilog="Settings are variables RTC_… of the environment or lines of .env. The README lists them all. "
        "`rtc-server COMMAND --help` explains a command.",
    )
    parser.add_argument("--version", action="version", version=f"rtc-server {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name in COMMANDS:
        module = import_module(f"rtc_server.commands.{name}")
        command = commands.add_parser(
            getattr(module, "NAME", name.replace("_", "-")), help=module.HELP, description=_sentence(module.HELP)
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _run(arguments: argparse.Namespace) -> int:
    try:
        code: int = arguments.run(arguments, Settings())
    except ValidationError as error:
        return _fail(_complaints(error), EXIT_USAGE)
    except SettingsError as error:
        return _fail(str(error), EXIT_USAGE)
    except RtcServerError as error:
        return _fail(str(error), EXIT_FAILURE)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away, as in `… | head`; nothing is left to say it to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILURE
    return code


def _complaints(error: ValidationError) -> str:
    """About settings. The value itself may be a secret: the setting and what is wrong with it, only."""
    complaints = [
        f"RTC_{'_'.join(map(str, one['loc'])).upper()}: {one['msg']}"
        for one in error.errors()
        if one["type"] != "default_factory_not_called"  # it follows from another one
    ]
    return "; ".join(complaints)


def _fail(sentence: str, code: int) -> int:
    print(f"rtc-server: {sentence}", file=sys.stderr)  # noqa: T201
    return code


if __name__ == "__main__":
    main()

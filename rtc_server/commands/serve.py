"""`rtc-server serve`: the server, until it is told to stop."""

import argparse

from rtc_server.errors import SettingsError
from rtc_server.settings import Settings
from rtc_server.structured_logging import configure_logging

HELP = "run the server until it is told to stop; with --demo, to try it on this machine"

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address to listen on (RTC_HOST, 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on, 0 for a free one (RTC_PORT, 8080)")
    parser.add_argument(
        "--demo", action="store_true", help="try it on this machine: loopback only, tokens for whoever opens the page"
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    chosen = {name: getattr(arguments, name) for name in ("host", "port") if getattr(arguments, name) is not None}
    settings = Settings(**(settings.model_dump(exclude_unset=True) | chosen))
    _refuse_an_open_door(settings, demo=arguments.demo)
    configure_logging(settings.log_level)

    from rtc_server.app import serve

    serve(settings, demo=arguments.demo)
    return 0


def _refuse_an_open_door(settings: Settings, *, demo: bool) -> None:
    if demo and settings.host not in _LOOPBACK:
        raise SettingsError(
            f"demo mode gives a token to whoever asks, so it listens on loopback only, not on {settings.host}; "
            "leave --host and RTC_HOST out, or set RTC_TOKEN_SECRET and start without --demo"
        )

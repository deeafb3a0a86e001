"""`rtc-server serve`: the server, until it is told to stop."""

import argparse
import asyncio
import gc
import resource
import signal

from rtc_server import __version__
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
    _refuse_demo_in_public(settings, demo=arguments.demo)
    configure_logging(settings.log_level)

    _allow_many_sockets()
    with asyncio.Runner(loop_factory=_event_loop) as runner:
        runner.run(_serve(settings, demo=arguments.demo))
    return 0


async def _serve(settings: Settings, *, demo: bool) -> None:
    # Here, so that the other commands do not wait for MediaPipe and aiortc to be loaded.
    from rtc_server.app import listening

    told_to_stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told_to_stop.set)
    async with listening(settings, demo=demo) as address:
        # What is loaded by now stays. Each full collection would look through it again, tens of milliseconds
        # in which nobody gets an update.
        gc.collect()
        gc.freeze()
        print(_welcome(address, demo=demo), flush=True)
        await told_to_stop.wait()


def _event_loop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


def _allow_many_sockets() -> None:
    """A peer has a socket for each address of this host; systems often start programs with 1024 files at most."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _welcome(address: str, *, demo: bool) -> str:
    lines = [f"rtc-server {__version__} on {address}"]
    if demo:
        lines += [
            "Demo mode: on this machine only, with a secret made just now and a token for whoever opens the page.",
            "Press Ctrl-C to stop.",
        ]
    return "\n".join(lines)


def _refuse_demo_in_public(settings: Settings, *, demo: bool) -> None:
    if demo and settings.host not in _LOOPBACK:
        raise SettingsError(
            f"demo mode gives a token to whoever asks, so it listens on loopback only, not on {settings.host}; "
            "leave --host and RTC_HOST out, or set RTC_TOKEN_SECRET and start without --demo"
        )

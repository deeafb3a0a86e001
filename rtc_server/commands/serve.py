"""`rtc-server serve`: runs the server until it gets SIGTERM or Ctrl-C."""

import argparse
import asyncio
import gc
import logging
import os
import resource
import signal

from rtc_server import __version__
from rtc_server.errors import SettingsError
from rtc_server.settings import Settings
from rtc_server.structured_logging import configure_logging

logger = logging.getLogger(__name__)

HELP = "run the server; with --demo, to try it on this machine"

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
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if told_to_stop.is_set():
            _leave("told to stop a second time")
        told_to_stop.set()
        # Whatever hangs (a database, a disk): by then all is in the spool that it takes.
        loop.call_later(settings.drain_timeout, _leave, "could not stop in time (RTC_DRAIN_TIMEOUT)")

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    async with listening(settings, demo=demo) as address:
        # The objects loaded so far stay for ever. Without this, each full garbage collection would look through
        # them again, and nobody would get an update for tens of milliseconds.
        gc.collect()
        gc.freeze()
        print(_welcome(address, demo=demo), flush=True)
        await told_to_stop.wait()


def _leave(why: str) -> None:
    """Ends the process at once. What the database has not taken is in the spool, which is whole at any moment."""
    logger.error(why)
    logging.shutdown()
    os._exit(1)


def _event_loop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


def _allow_many_sockets() -> None:
    """Allow this process more open files: a peer needs a socket for each address, and 1024 is a usual limit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _welcome(address: str, *, demo: bool) -> str:
    lines = [f"rtc-server {__version__} on {address}"]
    if demo:
        lines += [
            "Demo mode: reachable from this machine only. It gives a token to whoever opens the page.",
            "Press Ctrl-C to stop.",
        ]
    return "\n".join(lines)


def _refuse_demo_in_public(settings: Settings, *, demo: bool) -> None:
    if demo and settings.host not in _LOOPBACK:
        raise SettingsError(
            f"demo mode gives a token to whoever asks, so it listens on loopback only, not on {settings.host}; "
            "remove --host and RTC_HOST, or set RTC_TOKEN_SECRET and start without --demo"
        )

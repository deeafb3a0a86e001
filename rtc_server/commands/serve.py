"""`rtc-server serve`: runs the server until it gets SIGTERM or Ctrl-C."""

import argparse
import asyncio
import gc
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any

from rtc_server import __version__
from rtc_server.composition.workers import shared_port, worker_commands, worker_count
from rtc_server.errors import SettingsError
from rtc_server.settings import Settings
from rtc_server.structured_logging import configure_logging
from rtc_server.workers.supervisor import Supervisor

logger = logging.getLogger(__name__)

HELP = "run the server; with --demo, to try it on this machine"

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address to listen on (RTC_HOST, 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on, 0 for a free one (RTC_PORT, 8080)")
    parser.add_argument(
        "--workers", metavar="N", help="processes, a core each, or `auto`: one for each core (RTC_WORKERS, 1)"
    )
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)  # which one of them this is
    parser.add_argument(
        "--demo", action="store_true", help="try it on this machine: loopback only, tokens for whoever opens the page"
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    names = ("host", "port", "workers")
    chosen = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    settings = Settings(**(settings.model_dump(exclude_unset=True) | chosen))
    _refuse_demo_in_public(settings, demo=arguments.demo)
    configure_logging(settings.log_level, arguments.worker)

    _allow_many_sockets()
    count = worker_count(settings)
    if count > 1:
        if arguments.demo:
            raise SettingsError("demo mode is one server: remove --workers and RTC_WORKERS")
        return _supervise(settings, count)
    with asyncio.Runner(loop_factory=_event_loop) as runner:
        runner.run(_serve(settings, demo=arguments.demo, worker=arguments.worker))
    return 0


def _supervise(settings: Settings, count: int) -> int:
    with shared_port(settings.host, settings.port) as port:
        commands = worker_commands(settings, count, port)

        async def supervise() -> int:
            supervisor = Supervisor(commands, lambda: print(_welcome_of(count, settings, port), flush=True))
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, supervisor.send, signal.SIGTERM)
            return await supervisor.run()

        return asyncio.run(supervise())


async def _serve(settings: Settings, *, demo: bool, worker: int | None) -> None:
    # Here, so that the other commands do not wait for MediaPipe and aiortc to be loaded.
    from rtc_server.app import listening

    told_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if told_to_stop.is_set():
            _leave("told to stop a second time")
        told_to_stop.set()
        # Whatever hangs (a database, a disk): by then all is in the spool that it takes.
        loop.call_later(settings.drain_timeout, _give_up)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    if worker is not None:
        _stop_with_the_parent(stop)
    async with listening(settings, demo=demo, shares_port=worker is not None) as address:
        # The objects loaded so far stay for ever. Without this, each full garbage collection would look through
        # them again, and nobody would get an update for tens of milliseconds.
        gc.collect()
        gc.freeze()
        print(_welcome(address, demo=demo), flush=True)
        await told_to_stop.wait()


def _stop_with_the_parent(stop: Callable[[], None]) -> None:
    """The parent holds the other end of the standard input: it ends when the parent does."""
    loop, end = asyncio.get_running_loop(), sys.stdin.fileno()

    def read() -> None:
        if not os.read(end, 1):
            loop.remove_reader(end)
            stop()

    loop.add_reader(end, read)


def _give_up() -> None:
    waiting = sorted(f"{task.get_name()}: {_innermost(task.get_coro())}" for task in asyncio.all_tasks())
    _leave("could not stop in time (RTC_DRAIN_TIMEOUT)", waiting=waiting)


def _innermost(awaitable: Any) -> str:
    """The function that a task waits in."""
    while (inner := getattr(awaitable, "cr_await", None)) is not None and hasattr(inner, "cr_await"):
        awaitable = inner
    return str(getattr(awaitable, "__qualname__", awaitable))


def _leave(why: str, **more: object) -> None:
    """Ends the process at once. What the database has not taken is in the spool, which is whole at any moment."""
    logger.error(why, extra=more)
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


def _welcome_of(count: int, settings: Settings, port: int) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    scheme = "http" if settings.tls_certificate is None else "https"
    return f"rtc-server {__version__} on {scheme}://{host}:{port}/, {count} workers"


def _refuse_demo_in_public(settings: Settings, *, demo: bool) -> None:
    if demo and settings.host not in _LOOPBACK:
        raise SettingsError(
            f"demo mode gives a token to whoever asks, so it listens on loopback only, not on {settings.host}; "
            "remove --host and RTC_HOST, or set RTC_TOKEN_SECRET and start without --demo"
        )

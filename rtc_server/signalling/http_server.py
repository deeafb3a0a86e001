"""The HTTP server around the application: its clocks and its log, set against slow and broken clients."""

import logging

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

LINGERING_S = 1.0
"""How long the rest of a refused body is read, so that the client gets to see the refusal."""
SHUTDOWN_S = 5.0


def server_runner(application: web.Application, *, header_timeout: float) -> web.AppRunner:
    """A runner that closes a connection whose next request's headers are not complete in time.

    header_timeout: seconds, from the connection or from the answer before. A compressed body stays
    as it came: a few bytes of it could stand for gigabytes.
    """
    return web.AppRunner(
        application,
        keepalive_timeout=header_timeout,
        lingering_time=LINGERING_S,
        shutdown_timeout=SHUTDOWN_S,
        auto_decompress=False,
        access_log=None,
        logger=_connection_log(),
    )


class _Discreet(logging.Filter):
    """aiohttp logs the address and the bytes of a request that is not HTTP, with a traceback each."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            return False
        record.msg, record.args = "error outside of a request's handler", None
        return True


def _connection_log() -> logging.Logger:
    log = logging.getLogger(__name__)
    if not log.filters:
        log.addFilter(_Discreet())
    return log

"""The HTTP server: timeouts, a limit on connections, and what is logged about invalid requests."""

import asyncio
import logging
import socket
import ssl
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

LINGERING_S = 1.0
"""How long the rest of a refused body is still read. For long bodies see `unread_bodies`."""
SHUTDOWN_S = 5.0
STALLED_S = 20.0
"""How long a client may leave an answer unread before its connection is closed."""
MAX_CONNECTIONS = 400
"""Default for connections at once. Many systems allow a process 1024 open files; media and database need some."""


def server_runner(
    application: web.Application,
    *,
    header_timeout: float,
    stalled_timeout: float = STALLED_S,
    max_connections: int = MAX_CONNECTIONS,
) -> web.AppRunner:
    """A runner that closes a connection whose next request's headers are not complete in time.

    header_timeout: seconds, counted from the connection or from the previous answer. Compressed bodies are not
    decompressed, because a few bytes can become gigabytes.
    """

    async def bound_sending(request: web.Request, _response: web.StreamResponse) -> None:
        # aiohttp has no timeout for a client that does not read; the kernel has one (tcp(7)).
        connection = request.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * stalled_timeout))

    if hasattr(socket, "TCP_USER_TIMEOUT"):
        application.on_response_prepare.append(bound_sending)
    return _BoundedRunner(
        application,
        max_connections,
        keepalive_timeout=header_timeout,
        lingering_time=LINGERING_S,
        shutdown_timeout=SHUTDOWN_S,
        auto_decompress=False,
        access_log=None,
        logger=_connection_log(),
    )


class Site(web.BaseSite):
    """The address where a runner listens. aiohttp's own site allows a minute for a TLS handshake."""

    def __init__(
        self,
        runner: web.AppRunner,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None,
        handshake_timeout: float,
        shares_port: bool = False,
    ) -> None:
        """port: 0 takes a free one. handshake_timeout: seconds for a TLS handshake.

        shares_port: other processes listen on it too, and the kernel gives each connection to one (SO_REUSEPORT).
        """
        super().__init__(runner, ssl_context=tls)
        self._host = host
        self._port = port
        self._shares_port = shares_port
        self._handshake_timeout = handshake_timeout if tls is not None else None

    @property
    def name(self) -> str:
        return f"{self._host}:{self._port}"

    @property
    def port(self) -> int:
        """That it listens on."""
        return int(self._server.sockets[0].getsockname()[1])  # type: ignore[union-attr]

    async def start(self) -> None:
        """Raises OSError if it cannot listen."""
        await super().start()
        assert self._runner.server is not None
        self._server = await asyncio.get_running_loop().create_server(
            self._runner.server,
            self._host,
            self._port,
            ssl=self._ssl_context,
            ssl_handshake_timeout=self._handshake_timeout,
            reuse_port=self._shares_port or None,
        )


class _BoundedRunner(web.AppRunner):
    """When there are too many connections, the one that has waited longest without a request is closed.

    So slow clients push out each other, and a client that sends its request at once is answered.
    """

    def __init__(self, application: web.Application, max_connections: int, **options: Any) -> None:
        super().__init__(application, **options)
        self._max_connections = max_connections

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        connection_made = server.connection_made

        def bounded(handler: web.RequestHandler, transport: asyncio.Transport) -> None:
            connection_made(handler, transport)
            connections = server.connections
            if len(connections) <= self._max_connections:
                return
            # In the order in which they were opened. A connection that is closing is still counted.
            for older in connections:
                if older.transport is not None and older._current_request is None:  # noqa: SLF001
                    older.force_close()
                    return

        server.connection_made = bounded  # type: ignore[method-assign]
        return server


class _WithoutRequests(logging.Filter):
    """Drops what aiohttp logs about a request that is not HTTP: address, bytes and a traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            return False
        record.msg, record.args = "error outside of a request handler", None
        return True


def _connection_log() -> logging.Logger:
    logger = logging.getLogger(__name__)
    if not logger.filters:
        logger.addFilter(_WithoutRequests())
    return logger

"""TCP keepalive: the kernel notices within a minute that the other end of a connection is gone."""

import socket
from typing import Any

_IDLE_S, _EVERY_S, _TRIES = 30, 10, 3
"""The connection ends after half a minute without an answer to three probes. Linux's default is two hours."""


def keep_alive(dbapi_connection: Any, _record: object) -> None:
    """For SQLAlchemy's `connect` event, with aiomysql or asyncpg. Neither gives public access to its socket."""
    driver = dbapi_connection.driver_connection
    transport = driver._transport if hasattr(driver, "_transport") else driver._writer.transport  # noqa: SLF001 - see the test over TCP
    own = transport.get_extra_info("socket")
    if own.family not in (socket.AF_INET, socket.AF_INET6):
        return
    own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", _IDLE_S), ("TCP_KEEPINTVL", _EVERY_S), ("TCP_KEEPCNT", _TRIES)):
        if hasattr(socket, name):  # some systems do not have it
            own.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

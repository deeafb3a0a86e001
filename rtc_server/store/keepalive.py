"""A connection whose other end is gone without a word is noticed by the kernel, within a minute."""

import socket
from typing import Any

_IDLE_S, _EVERY_S, _TRIES = 30, 10, 3
"""Gone after half a minute without an answer to three probes. Linux by itself waits for two hours."""


def keep_alive(dbapi_connection: Any, _record: object) -> None:
    """For SQLAlchemy's `connect` event, with aiomysql or asyncpg. Neither has a public way to its socket."""
    driver = dbapi_connection.driver_connection
    transport = driver._transport if hasattr(driver, "_transport") else driver._writer.transport  # noqa: SLF001 - see the test over TCP
    own = transport.get_extra_info("socket")
    if own.family not in (socket.AF_INET, socket.AF_INET6):
        return
    own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", _IDLE_S), ("TCP_KEEPINTVL", _EVERY_S), ("TCP_KEEPCNT", _TRIES)):
        if hasattr(socket, name):  # not on every system
            own.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

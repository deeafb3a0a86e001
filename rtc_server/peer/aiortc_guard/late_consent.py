"""A connection that is closed in the moment in which ICE completes.

aioice sets its result aside and looks at it up to 20 ms later. Where `close` falls in between, `connect` starts a
consent check after the close, which nobody ends: it would run for ever and keep the whole peer in memory.
"""

from aioice.ice import Connection


def refuse_late_consent(connection: Connection) -> None:
    """From now on `connect` raises ConnectionError, and starts nothing, where the connection is closing."""
    connect = connection.connect

    async def connect_unless_closing() -> None:
        await connect()
        if connection._closing:
            end_consent(connection)
            raise ConnectionError("closed while connecting")

    connection.connect = connect_unless_closing  # type: ignore[method-assign]


def end_consent(connection: Connection) -> None:
    """Stops the consent check, if one runs, and lets none start after this."""
    connection._closing = True
    if connection._query_consent_task is not None:
        connection._query_consent_task.cancel()

"""Messages between the server and its reading process: a length in four bytes, and a pickle.

Both ends are the same program, and nobody else can write to the pair of sockets between them.
"""

import asyncio
import pickle
from typing import Any

LENGTH_BYTES = 4


async def read_frame(reader: asyncio.StreamReader) -> Any:
    """The next message. Raises EOFError where the other end has closed."""
    try:
        length = int.from_bytes(await reader.readexactly(LENGTH_BYTES))
        return pickle.loads(await reader.readexactly(length))  # noqa: S301 - from our own process
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise EOFError from error


def write_frame(writer: asyncio.StreamWriter, message: object) -> None:
    """Where the other end has closed, nothing: `read_frame` tells that."""
    content = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    writer.write(len(content).to_bytes(LENGTH_BYTES) + content)

"""The wait between two rounds of something that is done again and again.

What is in the middle of a statement is told to stop and not cancelled: a driver may swallow the cancellation, and the
task goes on for ever, or wait for an answer that nobody sends any more.
"""

import asyncio
from contextlib import suppress


async def pause(stopping: asyncio.Event, seconds: float) -> None:
    """Returns after so many seconds, or at once when it is told to stop."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopping.wait()

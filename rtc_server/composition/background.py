"""Tasks that run for as long as the server does."""

import asyncio
import logging

logger = logging.getLogger(__name__)

FINISHES_WITHIN_S = 1.0
"""What has begun when the server stops, in some milliseconds. One whose database does not answer has more to do."""


async def end(task: asyncio.Task[None]) -> None:
    """Cancels it, and returns once it has ended."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def finish(task: asyncio.Task[None], stopping: asyncio.Event) -> None:
    """Lets it finish what it has begun; what takes too long is abandoned."""
    stopping.set()
    done, _ = await asyncio.wait([task], timeout=FINISHES_WITHIN_S)
    if not done:
        logger.warning("a task did not finish in time and was abandoned", extra={"task": task.get_name()})
        task.cancel()
